"""Settings of apps, and the Kubernetes objects that homelab creates from an app's settings."""
