"""Code and settings that several layers share."""
