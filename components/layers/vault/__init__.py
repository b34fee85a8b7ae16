"""Vault: the layer and its seal."""
