"""The tools an agent may call: one file a tool, listed in :mod:`copaw.tools.registry`."""
