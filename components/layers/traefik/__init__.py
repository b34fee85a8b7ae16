"""Traefik: the layer and its own routes."""
