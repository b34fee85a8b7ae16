"""Traefik: the layer, and its own routes for the dashboard and for unknown hosts."""
