"""Nomad: the layer and its secrets."""
