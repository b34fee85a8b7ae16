"""One-off operations that do not fit a declarative program; each is a `./homelab` command."""
