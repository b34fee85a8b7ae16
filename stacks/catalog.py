"""Every version that the program brings, and every layer, one row each; Renovate reads both."""

from components.layer import Row

# renovate: datasource=github-releases depName=k3s-io/k3s
K3S = "v1.36.3+k3s1"

# renovate: datasource=docker depName=ghcr.io/kube-vip/kube-vip
KUBE_VIP = "ghcr.io/kube-vip/kube-vip:v1.0.4"

LAYERS: tuple[Row, ...] = ()
"""The layers that there are, with their charts: name, version, Helm repository."""
