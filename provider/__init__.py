"""homelab's Pulumi provider plugin, which runs tasks (scripts) on machines over SSH, and undoes deleted tasks."""
