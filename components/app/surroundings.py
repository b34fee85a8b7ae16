"""The platform's outputs that apps read, the layer of each output, and the outputs that an app's settings need."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

import pulumi

from components.app import security
from components.app.postgres_settings import PostgresSettings
from components.app.settings import AppSettings
from components.app.volume_settings import AppVolumeSettings


class ObjectStoreOutput(TypedDict):
    """The S3 bucket for database backups, with its access keys."""

    endpoint: str
    bucket: str
    region: str
    path: str
    accessKey: str
    secretKey: str


def since(version: str, layer: str = "", *, secret: bool = False) -> dict[str, Any]:
    """Return the metadata of an output: the first homelab version with the output, and the output's layer."""
    return {"since": version, "layer": layer, "secret": secret}


def nothing() -> pulumi.Output[Any]:
    """Return None as the output of a disabled layer."""
    return pulumi.Output.from_input(None)


def empty() -> pulumi.Output[Any]:
    """Return an empty list as the output of a disabled layer."""
    return pulumi.Output.from_input([])


def no() -> pulumi.Output[Any]:
    """Return False as the output of a disabled feature."""
    return pulumi.Output.from_input(False)


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The platform's outputs that an app reads. Outputs of a disabled layer are None or empty."""

    domain: pulumi.Output[str] = field(metadata=since("0.1.0"))
    """Domain of the lab."""
    app_kubeconfig: pulumi.Output[str] = field(metadata=since("0.3.0", secret=True))
    """Kubeconfig of app stacks for the API endpoint, as a Pulumi secret output."""
    app_user: pulumi.Output[str] = field(metadata=since("0.3.0"))
    """Kubernetes user of the kubeconfig of app stacks."""
    nodes: pulumi.Output[list[dict[str, Any]]] = field(metadata=since("0.1.0"))
    """Nodes, each with name, role and address. Since 0.3.0, each node also has labels, taints and arch, which may be
    unknown."""
    cluster_networks: pulumi.Output[list[str]] = field(metadata=since("0.2.0"))
    """CIDRs of the cluster: pod CIDRs, then Service CIDRs."""
    ingress_class: pulumi.Output[str | None] = field(default_factory=nothing, metadata=since("0.2.0", "traefik"))
    """IngressClass of the ingress controller."""
    ingress_namespace: pulumi.Output[str | None] = field(default_factory=nothing, metadata=since("0.2.0", "traefik"))
    """Namespace of the ingress controller."""
    issuers: pulumi.Output[list[str]] = field(default_factory=empty, metadata=since("0.2.0", "certManager"))
    """Names of the ClusterIssuers."""
    issuer: pulumi.Output[str | None] = field(default_factory=nothing, metadata=since("0.2.0", "certManager"))
    """Default ClusterIssuer of apps."""
    storage_classes: pulumi.Output[list[str]] = field(default_factory=empty, metadata=since("0.2.0", "longhorn"))
    """Names of the StorageClasses."""
    storage_class: pulumi.Output[str | None] = field(default_factory=nothing, metadata=since("0.2.0", "longhorn"))
    """Default StorageClass of volumes."""
    shared_storage_classes: pulumi.Output[list[str]] = field(default_factory=empty, metadata=since("0.2.0", "longhorn"))
    """Names of the StorageClasses that support ReadWriteMany."""
    database_storage_class: pulumi.Output[str | None] = field(
        default_factory=nothing, metadata=since("0.2.0", "longhorn")
    )
    """StorageClass of databases, which replicate their data themselves."""
    database_operator: pulumi.Output[str | None] = field(
        default_factory=nothing, metadata=since("0.2.0", "cloudnativePg")
    )
    """Namespace of CloudNativePG."""
    database_backup: pulumi.Output[ObjectStoreOutput | None] = field(
        default_factory=nothing, metadata=since("0.2.0", "cloudnativePg", secret=True)
    )
    """Object store for database backups, as a Pulumi secret output."""
    secret_stores: pulumi.Output[list[str]] = field(default_factory=empty, metadata=since("0.2.0", "externalSecrets"))
    """Names of the ClusterSecretStores for external secrets."""
    traces_endpoint: pulumi.Output[str | None] = field(default_factory=nothing, metadata=since("0.2.0", "tempo"))
    """URL that receives traces by OTLP over HTTP."""
    metrics_endpoint: pulumi.Output[str | None] = field(default_factory=nothing, metadata=since("0.2.0", "monitoring"))
    """URL of Prometheus."""
    rollouts: pulumi.Output[str | None] = field(default_factory=nothing, metadata=since("0.2.0", "argoRollouts"))
    """Namespace of Argo Rollouts."""
    load_balancer_addresses: pulumi.Output[list[str]] = field(default_factory=empty, metadata=since("0.3.0", "metallb"))
    """Addresses for Services of type LoadBalancer: address ranges and CIDRs."""
    pod_security_levels: pulumi.Output[list[str]] = field(
        default_factory=empty, metadata=since("0.3.0", "cluster.apps.podSecurity")
    )
    """Pod Security levels that namespaces of apps may have."""
    nfs_client: pulumi.Output[bool] = field(default_factory=no, metadata=since("0.3.0", "cluster.apps.nfs"))
    """Whether the nodes have an NFS client."""


Given = Literal[
    "ingress_class",
    "issuer",
    "issuers",
    "storage_class",
    "storage_classes",
    "shared_storage_classes",
    "database_storage_class",
    "database_operator",
    "database_backup",
    "secret_stores",
    "traces_endpoint",
    "metrics_endpoint",
    "rollouts",
    "load_balancer_addresses",
    "nfs_client",
    "pod_security_levels",
]


@dataclass(frozen=True)
class Need:
    """A requirement of one of the app's settings: an output of the platform, and a name that the output must contain.
    With `default`, the required name is the value of the output `default`."""

    output: Given
    setting: str
    name: str | None = None
    default: Given | None = None
    within: bool = False
    """Whether `name` is an IP address that one of the output's address ranges must contain."""
    lacks: tuple[str, str] | None = None
    """Reason and fix of the error if the output lacks the name. The fix changes the platform's stack file."""


def needs(app: AppSettings) -> Iterator[Need]:
    """Yield the outputs of the platform that the app's settings need."""
    for setting, level in security.reasons(app):
        reason = f"needs the Pod Security level {level}, which the platform does not allow for apps"
        lacks = (reason, f"set `apps: {{podSecurity: {level}}}` under homelab:cluster")
        yield Need("pod_security_levels", setting, level, lacks=lacks)
    if app.hosts:
        yield Need("ingress_class", "hosts")
    if app.hosts and app.tls.certificate:
        issuer = app.tls.issuer
        yield Need("issuers", "tls.issuer", issuer) if issuer else Need("issuer", "hosts")
    for name, volume in app.volumes.items():
        yield from _volume_needs(f"volumes.{name}", volume)
    for variable, remote in app.remote_secrets.items():
        yield Need("secret_stores", f"remoteSecrets.{variable}.store", remote.store)
    if app.load_balancer:
        address = app.load_balancer.address
        setting = "loadBalancer.address" if address else "loadBalancer"
        yield Need("load_balancer_addresses", setting, address, within=True)
    if app.strategy:
        yield Need("rollouts", "strategy")
    if app.strategy and app.strategy.analysis:
        yield Need("metrics_endpoint", "strategy.analysis")
    if app.traces:
        yield Need("traces_endpoint", "traces")
    if app.postgres:
        yield from _database_needs(app.postgres)


def _database_needs(postgres: PostgresSettings) -> Iterator[Need]:
    yield Need("database_operator", "postgres")
    if postgres.storage_class:
        yield Need("storage_classes", "postgres.storageClass", postgres.storage_class)
    else:
        yield Need("database_storage_class", "postgres")
    for setting, settings in (("backup", postgres.backup), ("restore", postgres.restore)):
        if settings is not None:
            yield Need("database_backup", f"postgres.{setting}")


def _volume_needs(setting: str, volume: AppVolumeSettings) -> Iterator[Need]:
    if volume.nfs:
        yield Need("nfs_client", f"{setting}.nfs")
    if not volume.of_class:
        return
    name = volume.storage_class
    yield Need("storage_classes", f"{setting}.storageClass", name) if name else Need("storage_class", setting)
    if volume.shared or volume.access_mode == "ReadWriteMany":
        default: Given | None = None if name else "storage_class"
        yield Need("shared_storage_classes", f"{setting}.storageClass", name, default)
