"""App: the order in which an app comes into a cluster."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.app import database, entrance, jobs, network, objects, remote, rights, rollout, volumes, workload
from components.app import read as reading
from components.app.container_settings import AppContainerSettings
from components.app.postgres_settings import PostgresSettings
from components.app.read import Read
from components.app.settings import AppSettings
from components.app.surroundings import Surroundings
from components.manifest import Manifest, Tree, create, resolve

DATABASE_TIMEOUT = "20m"
"""How long the instances of a database may take to be ready, restoring included."""
BEFORE_TIMEOUT = f"{jobs.SECONDS + 60}s"
"""How long the Job before a new version is awaited: until the cluster itself has ended it."""


class App(pulumi.ComponentResource):
    """An app in a namespace of its own.

    First come the rights of its stack there and the policies of the network, then the database; when it is ready,
    the pods; then who scales them and the way to them from outside. What would lose data is protected, until
    `discard` was deployed.
    """

    def __init__(self, settings: AppSettings, platform: Surroundings) -> None:
        super().__init__("homelab:components:App", settings.name)
        self._settings, self._platform = settings, platform
        self._provider = kubernetes.Provider(
            "platform",
            kubeconfig=platform.app_kubeconfig,
            cluster_identifier="platform",
            upsert_existing_objects=True,  # what a run that was interrupted made, and its state does not know
            opts=pulumi.ResourceOptions(parent=self),
        )
        namespace = self._one(objects.namespace(settings), [], protect=objects.keeps(settings))
        binding = self._one(rights.in_namespace(settings, platform.app_user), [namespace], deleted_with=namespace)
        base = [binding, *self._all(network.policies(settings, platform), [binding])]
        claims = self._all(volumes.claims(settings, platform), base, protect=objects.keeps(settings))
        made = [*base, *claims]
        if settings.remote_secrets:
            made.append(self._one(remote.external_secret(settings), [binding], f"{settings.name}-remote"))
        if settings.postgres is not None:
            made += self._database(settings.postgres, base)
        read = Read(self._files(binding), self._secrets(binding), self._pull(binding))
        service = self._one(entrance.service(settings), base)
        made += self._all(rollout.analysis(settings, platform), base)
        made += [service] if settings.strategy else []  # which Argo Rollouts switches
        if settings.before is not None:
            made.append(self._before(settings.before, read, made))
        made.append(self._pods(read, made))
        self._all(jobs.cron(settings, platform, read), made)
        self._all(workload.scale(settings), made)
        self._all(entrance.load_balancer(settings), made)
        self._all(entrance.ingress(settings, platform), [*made, service])
        self.urls = [pulumi.Output.format("https://{}", host) for host in entrance.hosts(settings, platform)]
        self.register_outputs({"urls": self.urls})

    def _database(self, postgres: PostgresSettings, after: Sequence[pulumi.Resource]) -> list[pulumi.Resource]:
        settings, platform = self._settings, self._platform
        made = list(after)
        if postgres.backup or postgres.restore:
            name = f"{database.archive(settings, postgres)}-store"
            keys = self._one(database.access(settings, platform), after[:1], name)
            store = database.object_store(settings, postgres, platform, _name(keys))
            made.append(self._one(store, after))
        cluster = self._one(
            database.cluster(settings, postgres, platform),
            made,
            protect=objects.keeps(settings),
            ignore_changes=["spec.bootstrap"],  # it happened when the database was made
            custom_timeouts=pulumi.CustomTimeouts(create=DATABASE_TIMEOUT, update=DATABASE_TIMEOUT),
        )
        return [cluster, *self._all(database.around(settings, postgres), [cluster])]

    def _before(self, given: AppContainerSettings, read: Read, after: Sequence[pulumi.Resource]) -> pulumi.Resource:
        job = jobs.before(self._settings, given, self._platform, read)
        return self._one(
            job,
            after,
            f"{self._settings.name}-{jobs.BEFORE}",
            delete_before_replace=True,  # one that an interrupted `up` left running would go on beside the new one
            custom_timeouts=pulumi.CustomTimeouts(create=BEFORE_TIMEOUT),
        )

    def _pods(self, read: Read, after: Sequence[pulumi.Resource]) -> pulumi.CustomResource:
        wanted = workload.workload(self._settings, self._platform, read)
        pods = self._one(wanted, after, ignore_changes=workload.left(self._settings))
        if volumes.TEMPLATES in wanted["spec"]:
            spec: pulumi.Output[Any] = pods.spec  # type: ignore[attr-defined]
            pulumi.Output.all(wanted["spec"][volumes.TEMPLATES], spec).apply(lambda both: _tell(both[0], both[1], pods))
        return pods

    def _files(self, binding: pulumi.Resource) -> pulumi.Output[str] | None:
        app = self._settings
        return _name(self._one(reading.files(app), [binding], f"{app.name}-files")) if app.files else None

    def _secrets(self, binding: pulumi.Resource) -> pulumi.Output[str] | None:
        app = self._settings
        if not (app.secrets or app.secret_files):
            return None
        return _name(self._one(reading.secrets(app), [binding], f"{app.name}-secrets"))

    def _pull(self, binding: pulumi.Resource) -> pulumi.Output[str] | None:
        app, given = self._settings, self._settings.image_pull_secret
        return _name(self._one(reading.pull(app, given), [binding], f"{app.name}-pull")) if given else None

    def _all(
        self, manifests: Iterable[Manifest], after: Sequence[pulumi.Resource], **opts: Any
    ) -> list[pulumi.Resource]:
        return [self._one(manifest, after, **opts) for manifest in manifests]

    def _one(
        self, manifest: Manifest, after: Sequence[pulumi.Resource], name: str = "", **opts: Any
    ) -> pulumi.CustomResource:
        own = pulumi.ResourceOptions(parent=self, provider=self._provider, depends_on=list(after), **opts)
        return create(resolve(manifest), name or manifest["metadata"]["name"], own)


def _tell(wanted: Sequence[Tree], spec: Mapping[str, Tree] | None, pods: pulumi.Resource) -> None:
    """Say which volumes do not follow the settings; a preview may not know those that are there."""
    there = wanted if spec is None else spec.get(volumes.TEMPLATES, ())
    if lacking := volumes.further(wanted, there):
        raise pulumi.RunError("\n".join(lacking))
    for text in volumes.unlike(wanted, there):
        pulumi.log.warn(text, pods)


def _name(made: pulumi.CustomResource) -> pulumi.Output[str]:
    """Return the name that the engine gave to an object."""
    metadata: pulumi.Output[Any] = made.metadata  # type: ignore[attr-defined]
    name: pulumi.Output[str] = metadata["name"]
    return name
