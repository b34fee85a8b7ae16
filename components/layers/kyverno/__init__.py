"""Kyverno: the layer and its baseline policies."""
