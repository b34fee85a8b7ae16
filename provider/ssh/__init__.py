"""SSH connections to machines."""
