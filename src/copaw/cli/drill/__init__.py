"""``copaw drill``: settings are changed while tasks run, and every task must still come to its right end."""
