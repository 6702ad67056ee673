"""Keeping a conversation within what its model takes."""
