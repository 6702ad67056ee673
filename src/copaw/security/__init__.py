"""Who may do what: passwords, tokens, limits."""
