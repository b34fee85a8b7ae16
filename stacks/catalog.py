"""Every version that the program brings, and every layer, one row each; Renovate reads both."""

from components.layer import Chart, Row
from components.layers.argo_rollouts import ArgoRollouts
from components.layers.argocd import ArgoCD
from components.layers.cert_manager import CertManager
from components.layers.cloudnative_pg import CloudNativePG
from components.layers.loki import Loki
from components.layers.longhorn import Longhorn
from components.layers.metallb import MetalLB
from components.layers.monitoring import Monitoring
from components.layers.snapshot_controller import SnapshotController
from components.layers.tempo import Tempo
from components.layers.traefik import Traefik
from components.layers.vector import Vector
from components.layers.velero import Velero

# renovate: datasource=github-releases depName=k3s-io/k3s
K3S = "v1.36.3+k3s1"

# renovate: datasource=docker depName=ghcr.io/kube-vip/kube-vip
KUBE_VIP = "ghcr.io/kube-vip/kube-vip:v1.0.4"

LAYERS: tuple[Row, ...] = (
    Row(MetalLB, Chart("metallb", "0.16.1", "https://metallb.github.io/metallb")),
    Row(CertManager, Chart("cert-manager", "v1.21.1", "https://charts.jetstack.io")),
    Row(Traefik, Chart("traefik", "41.3.0", "https://traefik.github.io/charts")),
    Row(Longhorn, Chart("longhorn", "1.12.1", "https://charts.longhorn.io")),
    Row(
        CloudNativePG,
        Chart("cloudnative-pg", "0.29.0", "https://cloudnative-pg.github.io/charts"),
        Chart("plugin-barman-cloud", "0.7.0", "https://cloudnative-pg.github.io/charts"),
    ),
    Row(ArgoCD, Chart("argo-cd", "10.1.1", "https://argoproj.github.io/argo-helm")),
    Row(
        Monitoring,
        Chart("prometheus-operator-crds", "31.0.1", "https://prometheus-community.github.io/helm-charts"),
        Chart("kube-prometheus-stack", "88.5.3", "https://prometheus-community.github.io/helm-charts"),
    ),
    Row(Loki, Chart("loki", "18.11.0", "https://grafana-community.github.io/helm-charts")),
    Row(Tempo, Chart("tempo", "2.2.4", "https://grafana-community.github.io/helm-charts")),
    Row(SnapshotController, Chart("snapshot-controller", "5.2.0", "https://piraeus.io/helm-charts")),
    Row(Velero, Chart("velero", "12.1.0", "https://vmware-tanzu.github.io/helm-charts")),
    Row(ArgoRollouts, Chart("argo-rollouts", "2.41.0", "https://argoproj.github.io/argo-helm")),
    Row(Vector, Chart("vector", "0.56.0", "https://helm.vector.dev")),
)
"""The layers that there are, with their charts: name, version, Helm repository."""
