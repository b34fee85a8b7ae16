"""What is done now and then by hand, each with a command of `./homelab`."""
