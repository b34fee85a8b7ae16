"""Checks of `./homelab doctor`: pure functions that turn observed values into findings."""
