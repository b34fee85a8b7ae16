"""Kyverno: the layer, and the baseline policies for pods."""
