"""Model providers: what is configured, the calls to them with their limits, and the offline demo model."""
