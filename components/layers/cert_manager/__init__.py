"""cert-manager: the layer and its ACME issuers."""
