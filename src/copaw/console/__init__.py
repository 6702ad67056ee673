"""Built web assets only."""
