"""What things are: no configuration is read here and no order of things decided."""
