"""Chat commands: messages that the server answers itself, however they came in."""
