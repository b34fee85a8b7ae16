"""The rehearsal: a stack's lab on one computer, with simulated machines, network and services."""
