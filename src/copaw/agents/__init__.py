"""Building an agent from a configuration snapshot."""
