"""The `./homelab app` commands, which operate the app of an app stack."""
