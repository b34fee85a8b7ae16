"""Every version that the program brings, and every layer, one row each; Renovate reads both."""

from components.layer import Chart, Row
from components.layers.argocd import ArgoCD
from components.layers.cert_manager import CertManager
from components.layers.cloudnative_pg import CloudNativePG
from components.layers.external_secrets import ExternalSecrets
from components.layers.kyverno import Kyverno
from components.layers.longhorn import Longhorn
from components.layers.metallb import MetalLB
from components.layers.monitoring import Monitoring
from components.layers.sealed_secrets import SealedSecrets
from components.layers.step_ca import StepCa
from components.layers.traefik import Traefik
from components.layers.vault import Vault

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
    Row(SealedSecrets, Chart("sealed-secrets", "2.18.5", "https://bitnami.github.io/sealed-secrets")),
    Row(ExternalSecrets, Chart("external-secrets", "2.9.0", "https://charts.external-secrets.io")),
    Row(Vault, Chart("vault", "0.34.1", "https://helm.releases.hashicorp.com")),
    Row(Kyverno, Chart("kyverno", "3.9.0", "https://kyverno.github.io/kyverno")),
    Row(
        StepCa,
        Chart("step-certificates", "1.30.1", "https://smallstep.github.io/helm-charts"),
        Chart("step-issuer", "1.11.0", "https://smallstep.github.io/helm-charts"),
    ),
)
"""The layers that there are, with their charts: name, version, Helm repository."""
