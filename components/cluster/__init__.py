"""The cluster: its settings, its nodes, K3s, the API endpoint, and kubeconfigs."""
