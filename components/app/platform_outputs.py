"""The Pulumi outputs of the platform's stack that apps read, and the layer that provides each output."""

from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

import pulumi


class ObjectStoreOutput(TypedDict):
    """An S3 bucket for backups, with its access keys."""

    endpoint: str
    bucket: str
    region: str
    path: str
    accessKey: str
    secretKey: str


def since(version: str, layer: str = "", *, secret: bool = False) -> dict[str, Any]:
    """Return the metadata of a platform output: the homelab version that introduced the output, and the layer that
    provides the output."""
    return {"since": version, "layer": layer, "secret": secret}


def none_output() -> pulumi.Output[Any]:
    """Return None, the output of a disabled layer."""
    return pulumi.Output.from_input(None)


def empty_list_output() -> pulumi.Output[Any]:
    """Return an empty list, the output of a disabled layer."""
    return pulumi.Output.from_input([])


def false_output() -> pulumi.Output[Any]:
    """Return False, the output of a disabled feature."""
    return pulumi.Output.from_input(False)


@dataclass(frozen=True, kw_only=True)
class AppPlatformOutputs:
    """The Pulumi outputs of the platform's stack that an app reads. The platform's outputs of a disabled layer are None
    or empty."""

    domain: pulumi.Output[str] = field(metadata=since("0.1.0"))
    """Domain of the lab."""
    app_kubeconfig: pulumi.Output[str] = field(metadata=since("0.3.0", secret=True))
    """Kubeconfig with which app stacks connect to the Kubernetes API, as a Pulumi secret output."""
    app_user: pulumi.Output[str] = field(metadata=since("0.3.0"))
    """Name of the Kubernetes user in the kubeconfig of app stacks."""
    nodes: pulumi.Output[list[dict[str, Any]]] = field(metadata=since("0.1.0"))
    """Nodes of the cluster, each with name, role and address. Since homelab 0.3.0, the entry of a node also contains
    its labels, its taints and, if the stack file sets `arch`, its CPU architecture."""
    cluster_networks: pulumi.Output[list[str]] = field(metadata=since("0.2.0"))
    """CIDRs of the cluster: first the pod CIDRs, then the Service CIDRs."""
    ingress_class: pulumi.Output[str | None] = field(default_factory=none_output, metadata=since("0.2.0", "traefik"))
    """IngressClass of the ingress controller."""
    ingress_namespace: pulumi.Output[str | None] = field(
        default_factory=none_output, metadata=since("0.2.0", "traefik")
    )
    """Namespace of the ingress controller."""
    ingress_traffic_policy: pulumi.Output[str | None] = field(
        default_factory=none_output, metadata=since("0.3.0", "traefik")
    )
    """Value of externalTrafficPolicy in the ingress controller's Service. With `Local`, the ingress controller sees the
    clients' IP addresses."""
    issuers: pulumi.Output[list[str]] = field(default_factory=empty_list_output, metadata=since("0.2.0", "certManager"))
    """Names of the ClusterIssuers."""
    issuer: pulumi.Output[str | None] = field(default_factory=none_output, metadata=since("0.2.0", "certManager"))
    """Default ClusterIssuer of apps."""
    wildcard_issuers: pulumi.Output[list[str]] = field(
        default_factory=empty_list_output, metadata=since("0.3.0", "certManager")
    )
    """Names of the ClusterIssuers that issue certificates for wildcard hosts."""
    storage_classes: pulumi.Output[list[str]] = field(
        default_factory=empty_list_output, metadata=since("0.2.0", "longhorn")
    )
    """Names of the StorageClasses."""
    storage_class: pulumi.Output[str | None] = field(default_factory=none_output, metadata=since("0.2.0", "longhorn"))
    """StorageClass of volumes whose settings name no StorageClass."""
    shared_storage_classes: pulumi.Output[list[str]] = field(
        default_factory=empty_list_output, metadata=since("0.2.0", "longhorn")
    )
    """Names of the StorageClasses that support ReadWriteMany."""
    database_storage_class: pulumi.Output[str | None] = field(
        default_factory=none_output, metadata=since("0.2.0", "longhorn")
    )
    """StorageClass of database volumes, which needs no replication because databases replicate their data
    themselves."""
    database_operator: pulumi.Output[str | None] = field(
        default_factory=none_output, metadata=since("0.2.0", "cloudnativePg")
    )
    """Namespace of CloudNativePG."""
    database_backup: pulumi.Output[ObjectStoreOutput | None] = field(
        default_factory=none_output, metadata=since("0.2.0", "cloudnativePg", secret=True)
    )
    """S3 bucket for database backups, and its access keys, as a Pulumi secret output."""
    volume_backup: pulumi.Output[ObjectStoreOutput | None] = field(
        default_factory=none_output, metadata=since("0.3.0", "objectStore", secret=True)
    )
    """S3 bucket for backups of apps' volumes, and its access keys, as a Pulumi secret output."""
    secret_stores: pulumi.Output[list[str]] = field(
        default_factory=empty_list_output, metadata=since("0.2.0", "externalSecrets")
    )
    """Names of the ClusterSecretStores for external secrets."""
    traces_endpoint: pulumi.Output[str | None] = field(default_factory=none_output, metadata=since("0.2.0", "tempo"))
    """URL of the endpoint that receives traces by OTLP over HTTP."""
    metrics_endpoint: pulumi.Output[str | None] = field(
        default_factory=none_output, metadata=since("0.2.0", "monitoring")
    )
    """URL of Prometheus."""
    rollouts: pulumi.Output[str | None] = field(default_factory=none_output, metadata=since("0.2.0", "argoRollouts"))
    """Namespace of Argo Rollouts."""
    load_balancer_addresses: pulumi.Output[list[str]] = field(
        default_factory=empty_list_output, metadata=since("0.3.0", "metallb")
    )
    """IP addresses for Services of type LoadBalancer: address ranges and CIDRs."""
    pod_security_levels: pulumi.Output[list[str]] = field(
        default_factory=empty_list_output, metadata=since("0.3.0", "cluster.apps.podSecurity")
    )
    """Pod Security levels that namespaces of apps may have."""
    nfs_client: pulumi.Output[bool] = field(default_factory=false_output, metadata=since("0.3.0", "cluster.apps.nfs"))
    """Whether the nodes have an NFS client, which pods need to mount NFS shares."""

    gpu_resources: pulumi.Output[list[str]] = field(default_factory=empty_list_output, metadata=since("0.3.0", "gpu"))
    """Extended resources by which pods can request GPUs, such as nvidia.com/gpu."""
    cluster_readers: pulumi.Output[list[str]] = field(
        default_factory=empty_list_output, metadata=since("0.3.0", "cluster.apps.clusterRead")
    )
    """Apps whose ServiceAccounts may read objects of all namespaces."""


OutputName = Literal[
    "ingress_class",
    "ingress_traffic_policy",
    "issuer",
    "issuers",
    "wildcard_issuers",
    "storage_class",
    "storage_classes",
    "shared_storage_classes",
    "database_storage_class",
    "database_operator",
    "database_backup",
    "volume_backup",
    "secret_stores",
    "traces_endpoint",
    "metrics_endpoint",
    "rollouts",
    "load_balancer_addresses",
    "nfs_client",
    "pod_security_levels",
    "gpu_resources",
    "cluster_readers",
]
