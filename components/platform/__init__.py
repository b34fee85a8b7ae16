"""The platform: its layers, their Pulumi resources, and the order in which homelab installs the layers."""
