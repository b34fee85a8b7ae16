"""Every version that the program brings; Renovate reads the comments."""

# renovate: datasource=github-releases depName=k3s-io/k3s
K3S = "v1.36.3+k3s1"

# renovate: datasource=docker depName=ghcr.io/kube-vip/kube-vip
KUBE_VIP = "ghcr.io/kube-vip/kube-vip:v1.0.4"
