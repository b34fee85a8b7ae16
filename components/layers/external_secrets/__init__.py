"""external-secrets: the layer and its secret stores."""
