"""The lab on one computer: machines, networks and services that a stack is rehearsed on."""
