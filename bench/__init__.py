"""Benchmarks that compare homelab with a shell script and with an empty Pulumi program on the same machines."""
