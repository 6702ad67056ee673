"""What brings work to an agent from outside, and outlives its reloads."""
