"""The rehearsal runs the lab of a stack file on one computer, with simulated machines, network and services."""
