"""Layers of the platform: one module or package for each system."""
