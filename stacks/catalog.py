"""Every version that the program brings, and every layer, one row each; Renovate reads both."""

from components.layer import Chart, Row
from components.layers.argocd import ArgoCD
from components.layers.cassandra import Cassandra
from components.layers.cert_manager import CertManager
from components.layers.cloudnative_pg import CloudNativePG
from components.layers.consul import Consul
from components.layers.gitlab import GitLab
from components.layers.gpu import GPU
from components.layers.kafka import Kafka
from components.layers.longhorn import Longhorn
from components.layers.metallb import MetalLB
from components.layers.monitoring import Monitoring
from components.layers.ray import Ray
from components.layers.traefik import Traefik

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
    Row(Kafka, Chart("strimzi-kafka-operator", "1.2.0", "https://strimzi.io/charts")),
    Row(Cassandra, Chart("k8ssandra-operator", "1.32.5", "https://helm.k8ssandra.io/stable")),
    Row(Ray, Chart("kuberay-operator", "1.7.0", "https://ray-project.github.io/kuberay-helm")),
    Row(GPU, Chart("nvidia-device-plugin", "0.20.0", "https://nvidia.github.io/k8s-device-plugin")),
    Row(GitLab, Chart("gitlab", "9.8.4", "https://charts.gitlab.io")),
    Row(Consul, Chart("consul", "2.0.3", "https://helm.releases.hashicorp.com")),
)
"""The layers that there are, with their charts: name, version, Helm repository."""
