"""Configuration: models, the store that holds one snapshot of it in memory, secret files and new homes."""
