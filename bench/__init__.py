"""The benchmark: homelab compared with a shell script and with an empty Pulumi program, on the same machines."""
