"""Argo CD: the layer, its Applications and its repositories."""
