"""ExternalDNS: the layer, and the settings of DNS providers."""
