"""K3s settings, K3s configuration files, K3s options, and hardening of K3s."""
