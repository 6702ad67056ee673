"""The ``copaw`` command: a lazy table of commands over a small HTTP client."""
