"""What tests and benchmarks share: fakes that speak the real protocols. Nothing here runs in a server."""
