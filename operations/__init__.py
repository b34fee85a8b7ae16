"""The `./homelab` commands for one-off operations, which a declarative Pulumi program cannot express."""
