"""What is wanted of an agent, what became of it, and the generations that were replaced for it."""
