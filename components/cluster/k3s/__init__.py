"""K3s: its settings, configuration files, options and hardening."""
