"""Turns, runs and sessions."""
