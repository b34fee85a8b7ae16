"""The `./homelab app` commands, which operate an app that an app stack has deployed."""
