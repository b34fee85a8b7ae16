"""Checks of `./homelab doctor`: pure functions from observed values to findings."""
