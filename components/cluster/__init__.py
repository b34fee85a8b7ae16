"""The K3s cluster: cluster settings, nodes, endpoint of the Kubernetes API, and kubeconfigs."""
