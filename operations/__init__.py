"""One-off operations that do not fit a declarative program; each operation is a `./homelab` command."""
