"""The platform outputs that an app's settings need."""

from collections.abc import Iterator
from dataclasses import dataclass

from components.app import devices, hosts, security
from components.app.platform_outputs import OutputName
from components.app.postgres_settings import PostgresSettings
from components.app.settings import AppSettings
from components.app.valkey_settings import AppValkeySettings
from components.app.volume_settings import AppVolumeSettings
from components.layers.traefik.layer import INGRESS_CLASS, Traefik


@dataclass(frozen=True)
class RequiredOutput:
    """A platform output that one of the app's settings needs, and the name that the output must contain, such as a
    StorageClass.

    If `default` is set, it is the name of the platform output that contains the required name, such as the name of the
    default StorageClass.
    """

    output: OutputName
    setting: str
    name: str | None = None
    default: OutputName | None = None
    in_ranges: bool = False
    """Whether `name` is an IP address that must be in one of the address ranges of the platform output."""
    missing_error: tuple[str, str] | None = None
    """Reason and fix in the error message if the platform output does not contain the required name. The fix describes
    a change of the platform's stack file."""


def required_outputs(app: AppSettings) -> Iterator[RequiredOutput]:
    """Yield the platform outputs that the app's settings need."""
    for setting, level in security.level_requirements(app):
        reason = f"needs the Pod Security level {level}, which the platform does not allow for apps"
        missing_error = (reason, f"set `apps: {{podSecurity: {level}}}` under homelab:cluster")
        yield RequiredOutput("pod_security_levels", setting, level, missing_error=missing_error)
    if app.hosts:
        yield RequiredOutput("ingress_class", "hosts")
        yield from _ingress_needs(app)
        yield from dict.fromkeys(_issuer_needs(app))  # several hosts can need the same issuer
    yield from _storage_needs(app)
    if app.load_balancer:
        address = app.load_balancer.address
        setting = "loadBalancer.address" if address else "loadBalancer"
        yield RequiredOutput("load_balancer_addresses", setting, address, in_ranges=True)
    if app.strategy:
        yield RequiredOutput("rollouts", "strategy")
    if app.strategy and app.strategy.analysis:
        yield RequiredOutput("metrics_endpoint", "strategy.analysis")
    if app.gpu and app.gpu.vendor == "nvidia":  # homelab has no layer with the device plugins of other vendors
        yield RequiredOutput("gpu_resources", "gpu", devices.gpu_resource(app))
    if app.traces:
        yield RequiredOutput("traces_endpoint", "traces")
    yield from _account_needs(app)
    monitoring = (("metrics", app.metrics), ("alerts", app.alerts), ("dashboards", app.dashboards))
    yield from (RequiredOutput("metrics_endpoint", setting) for setting, value in monitoring if value)
    yield from _server_needs(app)


def _storage_needs(app: AppSettings) -> Iterator[RequiredOutput]:
    for name, volume in app.volumes.items():
        yield from _volume_needs(f"volumes.{name}", volume)
    for variable, remote in app.remote_secrets.items():
        yield RequiredOutput("secret_stores", f"remoteSecrets.{variable}.store", remote.store)
    for path, remote in app.remote_secret_files.items():
        yield RequiredOutput("secret_stores", f'remoteSecretFiles["{path}"].store', remote.store)


def _account_needs(app: AppSettings) -> Iterator[RequiredOutput]:
    if app.service_account and app.service_account.cluster_read:
        reason = f"lets {app.name} read objects of all namespaces, which the platform does not allow"
        missing_error = (reason, f"set `apps: {{clusterRead: [{app.name}]}}` under homelab:cluster")
        setting = "serviceAccount.clusterRead"
        yield RequiredOutput("cluster_readers", setting, app.name, missing_error=missing_error)


def _server_needs(app: AppSettings) -> Iterator[RequiredOutput]:
    if app.postgres:
        yield from _database_needs(app.postgres)
    if app.backup:
        yield RequiredOutput("volume_backup", "backup")
    if app.mariadb and app.mariadb.storage_class:
        yield RequiredOutput("storage_classes", "mariadb.storageClass", app.mariadb.storage_class)
    elif app.mariadb:
        yield RequiredOutput("storage_class", "mariadb")
    if app.valkey:
        yield from _valkey_needs(app.valkey)


def _ingress_needs(app: AppSettings) -> Iterator[RequiredOutput]:
    if app.ingress.model_fields_set - {"path_type"}:
        reason = "needs Traefik, but the platform has another ingress controller"
        missing_error = (reason, f"set `{Traefik.key}: {{}}` under homelab:platform")
        yield RequiredOutput("ingress_class", "ingress", INGRESS_CLASS, missing_error=missing_error)
    if app.ingress.allow_from:
        reason = "needs the clients' IP addresses, which externalTrafficPolicy: Cluster and K3s' ServiceLB hide"
        missing_error = (reason, f"use metallb, and `{Traefik.key}: {{externalTrafficPolicy: Local}}`")
        yield RequiredOutput("ingress_traffic_policy", "ingress.allowFrom", "Local", missing_error=missing_error)


def _issuer_needs(app: AppSettings) -> Iterator[RequiredOutput]:
    for host in hosts.certificate_hosts(app):
        own = app.tls.issuers.get(host)
        setting, issuer = ("tls.issuers", own) if own else ("tls.issuer", app.tls.issuer)
        yield RequiredOutput("issuers", setting, issuer) if issuer else RequiredOutput("issuer", "hosts")
        if hosts.is_wildcard(host):
            default: OutputName | None = None if issuer else "issuer"
            yield RequiredOutput("wildcard_issuers", setting, issuer, default)


def _database_needs(postgres: PostgresSettings) -> Iterator[RequiredOutput]:
    yield RequiredOutput("database_operator", "postgres")
    if postgres.storage_class:
        yield RequiredOutput("storage_classes", "postgres.storageClass", postgres.storage_class)
    else:
        yield RequiredOutput("database_storage_class", "postgres")
    for setting, settings in (("backup", postgres.backup), ("restore", postgres.restore)):
        if settings is not None:
            yield RequiredOutput("database_backup", f"postgres.{setting}")


def _valkey_needs(valkey: AppValkeySettings) -> Iterator[RequiredOutput]:
    if valkey.storage_class:
        yield RequiredOutput("storage_classes", "valkey.storageClass", valkey.storage_class)
    elif valkey.size:
        yield RequiredOutput("storage_class", "valkey.size")


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
