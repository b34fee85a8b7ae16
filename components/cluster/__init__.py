"""The K3s cluster: its settings, nodes, API endpoint and kubeconfigs."""
