"""An app on the platform: its settings, and the Kubernetes objects that they become."""
