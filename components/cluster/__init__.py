"""Package of the cluster: settings, nodes, K3s, the API endpoint and kubeconfigs."""
