"""What an app needs to know of the platform that it runs on, and which layer of it gives what."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

import pulumi

from components.app import security
from components.app.settings import AppSettings
from components.app.volume_settings import AppVolumeSettings


class ObjectStoreOutput(TypedDict):
    """The S3 bucket for backups of databases, and the keys to it."""

    endpoint: str
    bucket: str
    region: str
    path: str
    accessKey: str
    secretKey: str


def since(version: str, layer: str = "", *, secret: bool = False) -> dict[str, Any]:
    """Metadata of an output: the first version of the platform that has it, and the layer that gives it."""
    return {"since": version, "layer": layer, "secret": secret}


def nothing() -> pulumi.Output[Any]:
    """An output of a layer that is off."""
    return pulumi.Output.from_input(None)


def empty() -> pulumi.Output[Any]:
    """An output of a layer that is off, and that gives a list."""
    return pulumi.Output.from_input([])


def no() -> pulumi.Output[Any]:
    """An output of something that is off, and that says whether it is on."""
    return pulumi.Output.from_input(False)


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The platform, as an app sees it. What a layer gives is None, or empty, while that layer is off."""

    domain: pulumi.Output[str] = field(metadata=since("0.1.0"))
    """Domain of the lab."""
    app_kubeconfig: pulumi.Output[str] = field(metadata=since("0.3.0", secret=True))
    """Kubeconfig of app stacks, through the endpoint; secret."""
    app_user: pulumi.Output[str] = field(metadata=since("0.3.0"))
    """User as whom the API knows who has it."""
    nodes: pulumi.Output[list[dict[str, Any]]] = field(metadata=since("0.1.0"))
    """The machines: name, role, address; since 0.3.0 also arch, which may be unknown, labels and taints."""
    cluster_networks: pulumi.Output[list[str]] = field(metadata=since("0.2.0"))
    """Networks inside the cluster: those of pods, then those of Services."""
    ingress_class: pulumi.Output[str | None] = field(default_factory=nothing, metadata=since("0.2.0", "traefik"))
    """Class of Ingresses."""
    ingress_namespace: pulumi.Output[str | None] = field(default_factory=nothing, metadata=since("0.2.0", "traefik"))
    """Namespace of the ingress controller."""
    issuers: pulumi.Output[list[str]] = field(default_factory=empty, metadata=since("0.2.0", "certManager"))
    """Names of the ClusterIssuers."""
    issuer: pulumi.Output[str | None] = field(default_factory=nothing, metadata=since("0.2.0", "certManager"))
    """The ClusterIssuer that apps take when they name none."""
    storage_classes: pulumi.Output[list[str]] = field(default_factory=empty, metadata=since("0.2.0", "longhorn"))
    """Names of the storage classes."""
    storage_class: pulumi.Output[str | None] = field(default_factory=nothing, metadata=since("0.2.0", "longhorn"))
    """The storage class that volumes take when they name none."""
    shared_storage_classes: pulumi.Output[list[str]] = field(default_factory=empty, metadata=since("0.2.0", "longhorn"))
    """Names of the storage classes whose volumes pods of several machines may write to."""
    database_storage_class: pulumi.Output[str | None] = field(
        default_factory=nothing, metadata=since("0.2.0", "longhorn")
    )
    """The storage class of databases, which keep several copies themselves."""
    database_operator: pulumi.Output[str | None] = field(
        default_factory=nothing, metadata=since("0.2.0", "cloudnativePg")
    )
    """Namespace of CloudNativePG."""
    database_backup: pulumi.Output[ObjectStoreOutput | None] = field(
        default_factory=nothing, metadata=since("0.2.0", "cloudnativePg", secret=True)
    )
    """Where databases are backed up to; secret."""
    secret_stores: pulumi.Output[list[str]] = field(default_factory=empty, metadata=since("0.2.0", "externalSecrets"))
    """Names of the stores of secrets elsewhere."""
    traces_endpoint: pulumi.Output[str | None] = field(default_factory=nothing, metadata=since("0.2.0", "tempo"))
    """URL to which traces are sent, by OTLP over HTTP."""
    metrics_endpoint: pulumi.Output[str | None] = field(default_factory=nothing, metadata=since("0.2.0", "monitoring"))
    """URL of Prometheus."""
    rollouts: pulumi.Output[str | None] = field(default_factory=nothing, metadata=since("0.2.0", "argoRollouts"))
    """Namespace of Argo Rollouts."""
    load_balancer_addresses: pulumi.Output[list[str]] = field(default_factory=empty, metadata=since("0.3.0", "metallb"))
    """Addresses that Services of type LoadBalancer may have, each entry a range or a network."""
    pod_security_levels: pulumi.Output[list[str]] = field(
        default_factory=empty, metadata=since("0.3.0", "cluster.apps.podSecurity")
    )
    """The Pod Security levels that the namespaces of apps may have."""
    nfs_client: pulumi.Output[bool] = field(default_factory=no, metadata=since("0.3.0", "cluster.apps.nfs"))
    """Whether machines can mount what other servers share by NFS."""


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
    """An output that an app cannot do without: for which of its settings, and which name must be in it.

    With `default` that name is what another output says.
    """

    output: Given
    setting: str
    name: str | None = None
    default: Given | None = None
    within: bool = False
    """Whether the output holds ranges of addresses, and the name is an address in one of them."""
    lacks: tuple[str, str] | None = None
    """What to say where the name is not in it: the reason, and the fix in the platform's own file."""


def needs(app: AppSettings) -> Iterator[Need]:
    """Yield what the app needs of its platform."""
    for setting, level in security.reasons(app):
        reason = f"needs the Pod Security level {level}, which the platform gives no app"
        lacks = (reason, f"write `apps: {{podSecurity: {level}}}` under homelab:cluster")
        yield Need("pod_security_levels", setting, level, lacks=lacks)
    if app.hosts:
        yield Need("ingress_class", "hosts")
    if app.hosts and app.tls.certificate:
        issuer = app.tls.issuer
        yield Need("issuers", "tls.issuer", issuer) if issuer else Need("issuer", "hosts")
    for name, volume in app.volumes.items():
        yield from _of_volume(f"volumes.{name}", volume)
    for variable, remote in app.remote_secrets.items():
        yield Need("secret_stores", f"remoteSecrets.{variable}.store", remote.store)
    if app.load_balancer:
        asked = app.load_balancer.address
        where = "loadBalancer.address" if asked else "loadBalancer"
        yield Need("load_balancer_addresses", where, asked, within=True)
    if app.strategy:
        yield Need("rollouts", "strategy")
    if app.strategy and app.strategy.analysis:
        yield Need("metrics_endpoint", "strategy.analysis")
    if app.traces:
        yield Need("traces_endpoint", "traces")
    postgres = app.postgres
    if postgres is None:
        return
    yield Need("database_operator", "postgres")
    own = postgres.storage_class
    yield Need("storage_classes", "postgres.storageClass", own) if own else Need("database_storage_class", "postgres")
    for setting, given in (("backup", postgres.backup), ("restore", postgres.restore)):
        if given is not None:
            yield Need("database_backup", f"postgres.{setting}")


def _of_volume(where: str, volume: AppVolumeSettings) -> Iterator[Need]:
    if volume.nfs:
        yield Need("nfs_client", f"{where}.nfs")
    if not volume.of_class:
        return
    chosen = volume.storage_class
    yield Need("storage_classes", f"{where}.storageClass", chosen) if chosen else Need("storage_class", where)
    if volume.shared or volume.access_mode == "ReadWriteMany":
        default: Given | None = None if chosen else "storage_class"
        yield Need("shared_storage_classes", f"{where}.storageClass", chosen, default)
