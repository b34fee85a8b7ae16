"""The platform: layers, their resources, and the order in which they are installed."""
