"""Apps on the platform: their settings, and the Kubernetes objects made from these settings."""
