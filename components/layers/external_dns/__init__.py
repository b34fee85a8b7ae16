"""ExternalDNS: the layer and its DNS providers."""
