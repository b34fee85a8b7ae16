"""The picture of a lab."""
