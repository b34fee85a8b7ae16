"""The kinds and names of an app's Kubernetes objects, known from the app's settings alone."""

from collections.abc import Iterator

from components.app import database, jobs, workload
from components.app.objects import has_jobs
from components.app.settings import AppSettings

ObjectId = tuple[str, str]
"""Kind of an object, and name of its Pulumi resource."""


def object_ids(app: AppSettings) -> Iterator[ObjectId]:
    """Yield the kind and name of each of the app's objects, except the RoleBinding of the app's stack."""
    yield "Namespace", app.name
    yield "Service", app.name
    yield workload.type_meta(app)["kind"], app.name
    yield from _configuration(app)
    yield from _network(app)
    yield from _jobs(app)
    yield from _database(app)
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
    if app.remote_secrets:
        yield "ExternalSecret", f"{app.name}-remote"


def _network(app: AppSettings) -> Iterator[ObjectId]:
    policies = ["default-deny", app.name]
    policies += [f"{app.name}-job"] if has_jobs(app) else []
    policies += [f"{app.name}-acme"] if app.hosts and app.tls.certificate else []
    policies += [database.cluster_name(app, app.postgres)] if app.postgres else []
    policies += [database.pooler_name(app, app.postgres)] if app.postgres and app.postgres.pooler else []
    yield from (("NetworkPolicy", name) for name in policies)
    if app.load_balancer:
        yield "Service", f"{app.name}-lb"
    if app.hosts:
        yield "Ingress", app.name


def _jobs(app: AppSettings) -> Iterator[ObjectId]:
    if app.before:
        yield "Job", f"{app.name}-{jobs.PRE_ROLLOUT}"
    yield from (("CronJob", f"{app.name}-{name}") for name in app.cron)


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
    if postgres.backup:
        yield "ScheduledBackup", name
    if postgres.pooler:
        yield "Pooler", database.pooler_name(app, postgres)
