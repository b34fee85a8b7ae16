"""Pulumi's provider protocol, which Pulumi's engine uses to call the plugin."""
