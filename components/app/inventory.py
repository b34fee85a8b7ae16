"""Kinds and names of the Kubernetes objects that homelab creates for an app, derived from the app's settings alone."""

from collections.abc import Iterator

from components.app import (
    backup,
    database,
    hosts,
    jobs,
    mariadb,
    middlewares,
    service_account,
    valkey,
    workers,
    workload,
)
from components.app.settings import AppSettings

ObjectId = tuple[str, str]
"""Kind of an object, and name of its Pulumi resource."""


def object_ids(app: AppSettings) -> Iterator[ObjectId]:
    """Yield the kind and name of each Kubernetes object of the app, except the RoleBinding that gives the app's stack
    its rights."""
    yield "Namespace", app.name
    yield "Service", app.name
    yield workload.type_meta(app)["kind"], app.name
    yield from _configuration(app)
    yield from _network(app)
    yield from _jobs(app)
    yield from _workers(app)
    yield from _backup(app)
    yield from _monitoring(app)
    yield from _database(app)
    yield from _servers(app)
    if workload.min_replicas(app) > 1:
        yield "PodDisruptionBudget", app.name
    if app.autoscaling:
        yield "HorizontalPodAutoscaler", app.name
    if app.strategy and app.strategy.analysis:
        yield "AnalysisTemplate", app.name


def _configuration(app: AppSettings) -> Iterator[ObjectId]:
    for name, volume in app.volumes.items():
        if volume.is_provisioned and volume.shared:
            yield "PersistentVolumeClaim", f"{app.name}-{name}"
    if app.files:
        yield "ConfigMap", f"{app.name}-files"
    if app.secrets or app.secret_files:
        yield "Secret", f"{app.name}-secrets"
    if app.image_pull_secret:
        yield "Secret", f"{app.name}-pull"
    if app.ingress.basic_auth:
        yield "Secret", f"{app.name}-htpasswd"
    if app.remote_secrets or app.remote_secret_files:
        yield "ExternalSecret", f"{app.name}-remote"
    yield from ((manifest["kind"], manifest["metadata"]["name"]) for manifest in service_account.objects(app))


def _network(app: AppSettings) -> Iterator[ObjectId]:
    policies = ["default-deny", app.name, f"{app.name}-job"]
    policies += [f"{app.name}-worker"] if app.workers else []
    policies += [backup.name(app)] if app.backup else []
    policies += [mariadb.server_name(app)] if app.mariadb else []
    policies += [valkey.server_name(app)] if app.valkey else []
    policies += [f"{app.name}-acme"] if hosts.certificate_hosts(app) else []
    policies += [database.cluster_name(app, app.postgres)] if app.postgres else []
    policies += [database.pooler_name(app, app.postgres)] if app.postgres and app.postgres.pooler else []
    yield from (("NetworkPolicy", name) for name in policies)
    if app.load_balancer:
        yield "Service", f"{app.name}-lb"
    yield from (("Ingress", group.ingress) for group in hosts.groups(app))
    yield from (("Middleware", name) for name in middlewares.names(app))
    yield from (("ServersTransport", manifest["metadata"]["name"]) for manifest in middlewares.transports(app))


def _jobs(app: AppSettings) -> Iterator[ObjectId]:
    if app.before:
        yield "Job", f"{app.name}-{jobs.PRE_ROLLOUT}"
    yield from (("CronJob", f"{app.name}-{name}") for name in app.cron)


def _backup(app: AppSettings) -> Iterator[ObjectId]:
    if app.backup:
        yield from ((kind, backup.name(app)) for kind in ("Secret", "CronJob"))


def _workers(app: AppSettings) -> Iterator[ObjectId]:
    for name, settings in app.workers.items():
        yield "Deployment", workers.deployment_name(app, name)
        if settings.replicas > 1:
            yield "PodDisruptionBudget", workers.deployment_name(app, name)


def _monitoring(app: AppSettings) -> Iterator[ObjectId]:
    if app.metrics:
        yield "PodMonitor", app.name
    if app.alerts:
        yield "PrometheusRule", app.name
    yield from (("ConfigMap", f"{app.name}-dashboard-{name}") for name in app.dashboards)


def _database(app: AppSettings) -> Iterator[ObjectId]:
    postgres = app.postgres
    if postgres is None:
        return
    name = database.cluster_name(app, postgres)
    yield "Cluster", name
    if postgres.backup or postgres.restore:
        yield "ObjectStore", name
        yield "Secret", f"{name}-store"
    if postgres.extensions:
        yield "Database", name
    yield from (("Database", database.database_name(app, postgres, each)) for each in postgres.databases)
    yield from (("Secret", database.role_secret_name(app, postgres, role)) for role in postgres.roles)
    if postgres.backup:
        yield "ScheduledBackup", name
    if postgres.pooler:
        yield "Pooler", database.pooler_name(app, postgres)


def _servers(app: AppSettings) -> Iterator[ObjectId]:
    if app.mariadb:
        kinds = ["Secret", "Service", "StatefulSet", "PersistentVolumeClaim"]
        yield from ((kind, mariadb.server_name(app)) for kind in kinds)
    if app.valkey:
        kinds = ["Secret", "Service", "StatefulSet", *(["PersistentVolumeClaim"] if app.valkey.size else [])]
        yield from ((kind, valkey.server_name(app)) for kind in kinds)
