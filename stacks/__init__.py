"""Which things there are: configuration, pins, outputs and the program of a stack."""
