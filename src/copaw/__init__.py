"""copaw: a self-hosted server for personal AI agents."""

__version__ = "1.1.0"
