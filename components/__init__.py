"""Pulumi components of labs and apps, and the models of their settings."""
