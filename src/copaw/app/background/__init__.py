"""Background tasks: accepted, run, remembered."""
