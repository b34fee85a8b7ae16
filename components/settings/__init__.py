"""Base model and field types of all settings."""
