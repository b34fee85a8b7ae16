"""Vault: the layer, and the settings of its auto-unseal."""
