"""The platform's outputs that apps read, the layer of each output, and the outputs that an app needs."""

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
    """Return the metadata of an output: the first homelab version that has it, and the layer that provides it."""
    return {"since": version, "layer": layer, "secret": secret}


def none_output() -> pulumi.Output[Any]:
    """Return the output of a disabled layer."""
    return pulumi.Output.from_input(None)


def empty_list_output() -> pulumi.Output[Any]:
    """Return the list output of a disabled layer."""
    return pulumi.Output.from_input([])


def false_output() -> pulumi.Output[Any]:
    """Return the boolean output of a disabled feature."""
    return pulumi.Output.from_input(False)


@dataclass(frozen=True, kw_only=True)
class AppPlatformOutputs:
    """The platform's outputs that an app reads. Outputs of a disabled layer are None or empty."""

    domain: pulumi.Output[str] = field(metadata=since("0.1.0"))
    """Domain of the lab."""
    app_kubeconfig: pulumi.Output[str] = field(metadata=since("0.3.0", secret=True))
    """Kubeconfig of app stacks, which connects to the API endpoint; secret."""
    app_user: pulumi.Output[str] = field(metadata=since("0.3.0"))
    """Kubernetes user of that kubeconfig."""
    nodes: pulumi.Output[list[dict[str, Any]]] = field(metadata=since("0.1.0"))
    """Nodes: name, role and address; since 0.3.0 also labels, taints and arch, which may be unknown."""
    cluster_networks: pulumi.Output[list[str]] = field(metadata=since("0.2.0"))
    """CIDRs of the cluster: pod CIDRs, then Service CIDRs."""
    ingress_class: pulumi.Output[str | None] = field(default_factory=none_output, metadata=since("0.2.0", "traefik"))
    """IngressClass of the ingress controller."""
    ingress_namespace: pulumi.Output[str | None] = field(
        default_factory=none_output, metadata=since("0.2.0", "traefik")
    )
    """Namespace of the ingress controller."""
    issuers: pulumi.Output[list[str]] = field(default_factory=empty_list_output, metadata=since("0.2.0", "certManager"))
    """Names of the ClusterIssuers."""
    issuer: pulumi.Output[str | None] = field(default_factory=none_output, metadata=since("0.2.0", "certManager"))
    """Default ClusterIssuer of apps."""
    storage_classes: pulumi.Output[list[str]] = field(
        default_factory=empty_list_output, metadata=since("0.2.0", "longhorn")
    )
    """Names of the StorageClasses."""
    storage_class: pulumi.Output[str | None] = field(default_factory=none_output, metadata=since("0.2.0", "longhorn"))
    """Default StorageClass of volumes."""
    shared_storage_classes: pulumi.Output[list[str]] = field(
        default_factory=empty_list_output, metadata=since("0.2.0", "longhorn")
    )
    """Names of the StorageClasses that support ReadWriteMany."""
    database_storage_class: pulumi.Output[str | None] = field(
        default_factory=none_output, metadata=since("0.2.0", "longhorn")
    )
    """StorageClass of databases, which replicate their data themselves."""
    database_operator: pulumi.Output[str | None] = field(
        default_factory=none_output, metadata=since("0.2.0", "cloudnativePg")
    )
    """Namespace of CloudNativePG."""
    database_backup: pulumi.Output[ObjectStoreOutput | None] = field(
        default_factory=none_output, metadata=since("0.2.0", "cloudnativePg", secret=True)
    )
    """Object store for database backups; secret."""
    secret_stores: pulumi.Output[list[str]] = field(
        default_factory=empty_list_output, metadata=since("0.2.0", "externalSecrets")
    )
    """Names of the ClusterSecretStores for external secrets."""
    traces_endpoint: pulumi.Output[str | None] = field(default_factory=none_output, metadata=since("0.2.0", "tempo"))
    """URL that receives traces by OTLP over HTTP."""
    metrics_endpoint: pulumi.Output[str | None] = field(
        default_factory=none_output, metadata=since("0.2.0", "monitoring")
    )
    """URL of Prometheus."""
    rollouts: pulumi.Output[str | None] = field(default_factory=none_output, metadata=since("0.2.0", "argoRollouts"))
    """Namespace of Argo Rollouts."""
    load_balancer_addresses: pulumi.Output[list[str]] = field(
        default_factory=empty_list_output, metadata=since("0.3.0", "metallb")
    )
    """Addresses for Services of type LoadBalancer: address ranges and CIDRs."""
    pod_security_levels: pulumi.Output[list[str]] = field(
        default_factory=empty_list_output, metadata=since("0.3.0", "cluster.apps.podSecurity")
    )
    """Pod Security levels that namespaces of apps may have."""
    nfs_client: pulumi.Output[bool] = field(default_factory=false_output, metadata=since("0.3.0", "cluster.apps.nfs"))
    """Whether the nodes have an NFS client."""


OutputName = Literal[
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
class RequiredOutput:
    """A requirement of one of the app's settings: an output of the platform, and a name that must be in it.

    With `default`, the name is the value of another output.
    """

    output: OutputName
    setting: str
    name: str | None = None
    default: OutputName | None = None
    in_ranges: bool = False
    """Whether the output lists address ranges, and the name is an address that one of them must contain."""
    missing_error: tuple[str, str] | None = None
    """Reason and fix of the error if the output lacks the name. The fix is in the platform's stack file."""


def required_outputs(app: AppSettings) -> Iterator[RequiredOutput]:
    """Yield the outputs of the platform that the app's settings need."""
    for setting, level in security.level_requirements(app):
        reason = f"needs the Pod Security level {level}, which the platform does not allow for apps"
        missing_error = (reason, f"set `apps: {{podSecurity: {level}}}` under homelab:cluster")
        yield RequiredOutput("pod_security_levels", setting, level, missing_error=missing_error)
    if app.hosts:
        yield RequiredOutput("ingress_class", "hosts")
    if app.hosts and app.tls.certificate:
        issuer = app.tls.issuer
        yield RequiredOutput("issuers", "tls.issuer", issuer) if issuer else RequiredOutput("issuer", "hosts")
    for name, volume in app.volumes.items():
        yield from _volume_needs(f"volumes.{name}", volume)
    for variable, remote in app.remote_secrets.items():
        yield RequiredOutput("secret_stores", f"remoteSecrets.{variable}.store", remote.store)
    if app.load_balancer:
        address = app.load_balancer.address
        setting = "loadBalancer.address" if address else "loadBalancer"
        yield RequiredOutput("load_balancer_addresses", setting, address, in_ranges=True)
    if app.strategy:
        yield RequiredOutput("rollouts", "strategy")
    if app.strategy and app.strategy.analysis:
        yield RequiredOutput("metrics_endpoint", "strategy.analysis")
    if app.traces:
        yield RequiredOutput("traces_endpoint", "traces")
    if app.postgres:
        yield from _database_needs(app.postgres)


def _database_needs(postgres: PostgresSettings) -> Iterator[RequiredOutput]:
    yield RequiredOutput("database_operator", "postgres")
    if postgres.storage_class:
        yield RequiredOutput("storage_classes", "postgres.storageClass", postgres.storage_class)
    else:
        yield RequiredOutput("database_storage_class", "postgres")
    for setting, settings in (("backup", postgres.backup), ("restore", postgres.restore)):
        if settings is not None:
            yield RequiredOutput("database_backup", f"postgres.{setting}")


def _volume_needs(setting: str, volume: AppVolumeSettings) -> Iterator[RequiredOutput]:
    if volume.nfs:
        yield RequiredOutput("nfs_client", f"{setting}.nfs")
    if not volume.is_provisioned:
        return
    name = volume.storage_class
    yield (
        RequiredOutput("storage_classes", f"{setting}.storageClass", name)
        if name
        else RequiredOutput("storage_class", setting)
    )
    if volume.shared or volume.access_mode == "ReadWriteMany":
        default: OutputName | None = None if name else "storage_class"
        yield RequiredOutput("shared_storage_classes", f"{setting}.storageClass", name, default)
