"""cert-manager: the layer, and its ClusterIssuers for ACME."""
