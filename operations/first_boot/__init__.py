"""`./homelab cloud-init`: the files with which cloud-init configures a machine at its first boot."""
