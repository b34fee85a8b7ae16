"""Base class of all settings models, and the types of their fields."""
