"""External Secrets Operator: the layer, and the settings of its secret stores."""
