"""Nomad: the layer, and the secrets that homelab generates for Nomad."""
