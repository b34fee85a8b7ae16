"""Catalog of all layers with their Helm charts, and the default versions of all software.

Renovate updates the versions.
"""

from collections.abc import Mapping
from pathlib import Path

from components.app.images import AppImages
from components.kubernetes.chart import Chart
from components.layers.argo_rollouts import ArgoRollouts
from components.layers.argocd.layer import ArgoCD
from components.layers.calico import Calico
from components.layers.cassandra import Cassandra
from components.layers.cert_manager.layer import CertManager
from components.layers.cilium import Cilium
from components.layers.cloudnative_pg import CloudNativePG
from components.layers.consul import Consul
from components.layers.coredns import Coredns
from components.layers.external_dns.layer import ExternalDns
from components.layers.external_secrets.layer import ExternalSecrets
from components.layers.gitlab import GitLab
from components.layers.gpu import GPU
from components.layers.harbor import Harbor
from components.layers.kafka import Kafka
from components.layers.kured import Kured
from components.layers.kyverno.layer import Kyverno
from components.layers.loki import Loki
from components.layers.longhorn import Longhorn
from components.layers.metallb.layer import MetalLB
from components.layers.monitoring.layer import Monitoring
from components.layers.nfs import Nfs
from components.layers.nomad.layer import Nomad
from components.layers.ray import Ray
from components.layers.rbac import Rbac
from components.layers.rook_ceph.layer import RookCeph
from components.layers.sealed_secrets import SealedSecrets
from components.layers.seaweedfs import SeaweedFS
from components.layers.snapshot_controller import SnapshotController
from components.layers.step_ca import StepCa
from components.layers.tempo import Tempo
from components.layers.traefik.layer import Traefik
from components.layers.vault.layer import Vault
from components.layers.vector import Vector
from components.layers.velero import Velero
from components.layers.zfs import Zfs
from components.platform.layer import CatalogEntry

# renovate: datasource=github-releases depName=k3s-io/k3s
K3S_VERSION = "v1.36.3+k3s1"

# renovate: datasource=docker depName=ghcr.io/kube-vip/kube-vip
KUBE_VIP_IMAGE = "ghcr.io/kube-vip/kube-vip:v1.0.4"

# renovate: datasource=docker depName=docker.io/library/mariadb
MARIADB_IMAGE = "docker.io/library/mariadb:11.8.3"

# renovate: datasource=docker depName=docker.io/restic/restic
RESTIC_IMAGE = "docker.io/restic/restic:0.18.0"

# renovate: datasource=docker depName=docker.io/valkey/valkey
VALKEY_IMAGE = "docker.io/valkey/valkey:8.1.4"

APP_IMAGES = AppImages(MARIADB_IMAGE, RESTIC_IMAGE, VALKEY_IMAGE)

# renovate: datasource=github-releases depName=hashicorp/nomad
NOMAD_VERSION = "v1.10.5"

PROGRAM_VERSIONS: Mapping[str, str] = {"nomad": NOMAD_VERSION}
"""Versions of programs that layers install on machines without Helm, by the key of the layer."""

LAYERS: tuple[CatalogEntry, ...] = (
    CatalogEntry(MetalLB, Chart("metallb", "0.16.1", "https://metallb.github.io/metallb")),
    CatalogEntry(CertManager, Chart("cert-manager", "v1.21.1", "https://charts.jetstack.io")),
    CatalogEntry(Traefik, Chart("traefik", "41.3.0", "https://traefik.github.io/charts")),
    CatalogEntry(Longhorn, Chart("longhorn", "1.12.1", "https://charts.longhorn.io")),
    CatalogEntry(
        CloudNativePG,
        Chart("cloudnative-pg", "0.29.0", "https://cloudnative-pg.github.io/charts"),
        Chart("plugin-barman-cloud", "0.7.0", "https://cloudnative-pg.github.io/charts"),
    ),
    CatalogEntry(ArgoCD, Chart("argo-cd", "10.1.1", "https://argoproj.github.io/argo-helm")),
    CatalogEntry(
        Monitoring,
        Chart("prometheus-operator-crds", "31.0.1", "https://prometheus-community.github.io/helm-charts"),
        Chart("kube-prometheus-stack", "88.5.3", "https://prometheus-community.github.io/helm-charts"),
    ),
    CatalogEntry(
        Calico,
        Chart("crd.projectcalico.org.v1", "v3.32.2", "https://docs.tigera.io/calico/charts"),
        Chart("tigera-operator", "v3.32.2", "https://docs.tigera.io/calico/charts"),
    ),
    CatalogEntry(Cilium, Chart("cilium", "1.20.0", "https://helm.cilium.io")),
    CatalogEntry(Rbac),
    CatalogEntry(Coredns),
    CatalogEntry(Kafka, Chart("strimzi-kafka-operator", "1.2.0", "https://strimzi.io/charts")),
    CatalogEntry(Cassandra, Chart("k8ssandra-operator", "1.32.5", "https://helm.k8ssandra.io/stable")),
    CatalogEntry(Ray, Chart("kuberay-operator", "1.7.0", "https://ray-project.github.io/kuberay-helm")),
    CatalogEntry(GPU, Chart("nvidia-device-plugin", "0.20.0", "https://nvidia.github.io/k8s-device-plugin")),
    CatalogEntry(GitLab, Chart("gitlab", "9.8.4", "https://charts.gitlab.io")),
    CatalogEntry(SealedSecrets, Chart("sealed-secrets", "2.18.5", "https://bitnami.github.io/sealed-secrets")),
    CatalogEntry(ExternalSecrets, Chart("external-secrets", "2.9.0", "https://charts.external-secrets.io")),
    CatalogEntry(Vault, Chart("vault", "0.34.1", "https://helm.releases.hashicorp.com")),
    CatalogEntry(ExternalDns, Chart("external-dns", "1.21.1", "https://kubernetes-sigs.github.io/external-dns")),
    CatalogEntry(Loki, Chart("loki", "18.11.0", "https://grafana-community.github.io/helm-charts")),
    CatalogEntry(Tempo, Chart("tempo", "2.2.4", "https://grafana-community.github.io/helm-charts")),
    CatalogEntry(SnapshotController, Chart("snapshot-controller", "5.2.0", "https://piraeus.io/helm-charts")),
    CatalogEntry(Velero, Chart("velero", "12.1.0", "https://vmware-tanzu.github.io/helm-charts")),
    CatalogEntry(ArgoRollouts, Chart("argo-rollouts", "2.41.0", "https://argoproj.github.io/argo-helm")),
    CatalogEntry(Vector, Chart("vector", "0.56.0", "https://helm.vector.dev")),
    CatalogEntry(Kyverno, Chart("kyverno", "3.9.0", "https://kyverno.github.io/kyverno")),
    CatalogEntry(Nfs, Chart("csi-driver-nfs", "4.13.4", "https://kubernetes-csi.github.io/csi-driver-nfs")),
    CatalogEntry(Zfs, Chart("zfs-localpv", "2.6.2", "https://openebs.github.io/zfs-localpv")),
    CatalogEntry(
        RookCeph,
        Chart("rook-ceph", "v1.20.6", "https://charts.rook.io/release"),
        Chart("ceph-csi-drivers", "1.0.4", "https://ceph.github.io/ceph-csi-operator"),
        Chart("rook-ceph-cluster", "v1.20.6", "https://charts.rook.io/release"),
    ),
    CatalogEntry(SeaweedFS, Chart("seaweedfs", "4.44.0", "https://seaweedfs.github.io/seaweedfs/helm")),
    CatalogEntry(Harbor, Chart("harbor", "1.19.1", "https://helm.goharbor.io")),
    CatalogEntry(Consul, Chart("consul", "2.0.3", "https://helm.releases.hashicorp.com")),
    CatalogEntry(Nomad),
    CatalogEntry(
        StepCa,
        Chart("step-certificates", "1.30.1", "https://smallstep.github.io/helm-charts"),
        Chart("step-issuer", "1.11.0", "https://smallstep.github.io/helm-charts"),
    ),
    CatalogEntry(Kured, Chart("kured", "6.1.0", "https://kubereboot.github.io/charts")),
)
"""All layers with their Helm charts: the name, version and repository of each chart."""

CHECKSUMS_FILE: Path = Path(__file__).with_name("charts.sha256")
"""Checksums of the charts' archives, in the format of `sha256sum`, which `python -m operations.catalog_pins` writes."""

PINS: Mapping[str, str] = {name: sha256 for sha256, name in map(str.split, CHECKSUMS_FILE.read_text().splitlines())}
"""SHA-256 checksums of chart archives, by file name (NAME-VERSION.tgz). A chart version that is not in the list has no
pinned checksum."""
