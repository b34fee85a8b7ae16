"""Base class and field types of all settings models."""
