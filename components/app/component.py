"""App: the Pulumi component that creates the Kubernetes objects of an app in the required order."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.app import (
    backup,
    config_objects,
    database,
    exposure,
    jobs,
    mariadb,
    middlewares,
    monitoring,
    network,
    objects,
    patches,
    remote_secrets,
    rights,
    rollout,
    server_waits,
    service_account,
    valkey,
    volumes,
    workers,
    workload,
)
from components.app.backup_settings import AppBackupSettings
from components.app.config_objects import ConfigSources
from components.app.container_settings import AppContainerSettings
from components.app.images import AppImages
from components.app.mariadb_settings import AppMariadbSettings
from components.app.platform_outputs import AppPlatformOutputs
from components.app.postgres_settings import PostgresSettings
from components.app.settings import AppSettings
from components.app.valkey_settings import AppValkeySettings
from components.kubernetes.manifest import Manifest, create_resource, resolve_secrets
from components.provider_resources import RandomSecret

DATABASE_TIMEOUT = "20m"
"""Longest wait until all instances of a database are ready, including a restore."""
PRE_ROLLOUT_TIMEOUT = f"{jobs.PRE_ROLLOUT_SECONDS + 60}s"
"""Longest wait for the Job before a new version: one minute more than Kubernetes lets the Job run."""
PASSWORD_BYTES = 16
"""Size of the generated passwords of MariaDB, of Valkey and of database roles."""


class App(pulumi.ComponentResource):
    """An app in its own namespace.

    Pulumi first creates the app's namespace, RoleBinding and NetworkPolicies, and then the app's database. When the
    app's database is ready, Pulumi creates the workload, and then the HorizontalPodAutoscaler and the Ingress. Pulumi
    refuses to delete objects that contain data until you have set `discard: true` and run `pulumi up`.
    """

    def __init__(
        self,
        settings: AppSettings,
        platform: AppPlatformOutputs,
        path: str,
        shared_provider: kubernetes.Provider | None = None,
        *,
        images: AppImages,
    ) -> None:
        """Messages use `path`, the path of the app's settings in the stack file, such as `homelab:app`.

        In a stack with several apps, all apps use one Kubernetes provider, the `shared_provider`. `images` are
        the images of servers and programs whose settings name no image.
        """
        super().__init__("homelab:components:App", settings.name)
        self._settings, self._platform, self._path = settings, platform, path
        self._prefix = f"{settings.name}/" if shared_provider else ""
        self._provider = shared_provider or create_provider(platform, pulumi.ResourceOptions(parent=self))
        self._protects_data = objects.has_protected_data(settings)
        namespace = self._create(objects.namespace(settings), [], protect=self._protects_data)
        binding = self._create(rights.role_binding(settings, platform.app_user), [namespace], deleted_with=namespace)
        base = [binding, *self._create_all(network.policies(settings, platform), [binding])]
        base += self._create_all(service_account.objects(settings), [binding])
        sources, data = self._data(binding, base, images)
        transports = self._create_all(middlewares.transports(settings), base)
        service = self._create(exposure.service(settings), [*base, *transports])
        needed = [*base, *data, *self._create_all(rollout.analysis(settings, platform), base)]
        needed += [service] if settings.strategy else []  # Argo Rollouts switches it to the pods of a new version
        ready = self._workloads(sources, needed)
        if settings.backup is not None:
            self._backup(settings.backup, images.restic, sources, [binding, *ready])
        chain = list(middlewares.middlewares(settings, platform, self._htpasswd(binding)))
        front = self._create_all(chain, base)
        references = middlewares.references(settings, chain)
        self._create_all(exposure.ingresses(settings, platform, references), [*ready, service, *front])
        self._create_all(monitoring.monitoring_objects(settings), base)
        self.urls = [pulumi.Output.format("https://{}", host) for host in exposure.host_names(settings, platform)]
        self.register_outputs({"urls": self.urls})

    def _data(
        self, binding: pulumi.Resource, base: Sequence[pulumi.Resource], default: AppImages
    ) -> tuple[ConfigSources, list[pulumi.Resource]]:
        """Create the app's configuration, volumes, database and Valkey server.

        Returns the names of the ConfigMap and Secrets to which the pods refer, and the resources that must be ready
        before the pods start.
        """
        app = self._settings
        sources = ConfigSources(self._files(binding), self._secrets(binding), self._pull(binding))
        data: list[pulumi.Resource] = [
            *self._create_all(volumes.claims(app, self._platform), base, protect=self._protects_data)
        ]
        if app.remote_secrets or app.remote_secret_files:
            data.append(self._create(remote_secrets.external_secret(app), [binding], f"{app.name}-remote"))
        images: dict[str, pulumi.Input[str]] = {}
        if app.postgres is not None:
            roles = {role: self._role_secret(app.postgres, role, binding) for role in app.postgres.roles}
            cluster, *dependent = self._database(app.postgres, roles, base)
            data += [cluster, *dependent]
            images[server_waits.DATABASE] = server_waits.image(app.postgres, cluster)
            sources = replace(sources, roles=roles)
        if app.mariadb is not None:
            secret = self._mariadb_secret(app.mariadb, binding)
            images[server_waits.MARIADB] = app.mariadb.image or default.mariadb
            data.append(self._mariadb(app.mariadb, app.mariadb.image or default.mariadb, secret, base))
            sources = replace(sources, mariadb=secret)
        if app.valkey is not None:
            secret = self._valkey_secret(binding)
            images[server_waits.VALKEY] = app.valkey.image or default.valkey
            data.append(self._valkey(app.valkey, app.valkey.image or default.valkey, secret, base))
            sources = replace(sources, valkey=secret)
        return replace(sources, server_images=images), data

    def _workloads(self, sources: ConfigSources, after: Sequence[pulumi.Resource]) -> list[pulumi.Resource]:
        """Create the app's workload, workers, Jobs and load balancer.

        Returns the resources that must be ready before Pulumi creates the app's Ingresses: `after`, the Job `before`
        and the workload.
        """
        app, platform = self._settings, self._platform
        ready = list(after)
        if app.before is not None:
            ready.append(self._before(app.before, sources, ready))
        self._workers(sources, ready)
        ready.append(self._pods(sources, ready))
        self._create_all(jobs.cron_jobs(app, platform, sources), ready)
        self._create_all(workload.scaling_objects(app), ready)
        self._create_all(exposure.load_balancer(app), ready)
        return ready

    def _database(
        self, postgres: PostgresSettings, secrets: Mapping[str, pulumi.Output[str]], after: Sequence[pulumi.Resource]
    ) -> list[pulumi.CustomResource]:
        """Create the objects of the database, and return the Cluster, followed by the objects that need a running
        instance."""
        settings, platform = self._settings, self._platform
        needed = list(after)
        if postgres.backup or postgres.restore:
            name = f"{database.cluster_name(settings, postgres)}-store"
            keys = self._create_named(database.store_credentials(settings, platform), after[0], name)
            store = database.object_store(settings, postgres, platform, keys)
            needed.append(self._create(store, after))
        cluster = self._create(
            database.cluster(settings, postgres, platform, secrets),
            needed,
            protect=self._protects_data,
            ignore_changes=["spec.bootstrap"],  # CloudNativePG uses it only to create a database
            custom_timeouts=pulumi.CustomTimeouts(create=DATABASE_TIMEOUT, update=DATABASE_TIMEOUT),
        )
        return [cluster, *self._create_all(database.dependent_objects(settings, postgres), [cluster])]

    def _mariadb_secret(self, server: AppMariadbSettings, binding: pulumi.Resource) -> pulumi.Output[str]:
        name = mariadb.server_name(self._settings)
        return self._create_named(mariadb.secret(self._settings, server, self._password(name)), binding, name)

    def _valkey_secret(self, binding: pulumi.Resource) -> pulumi.Output[str]:
        name = valkey.server_name(self._settings)
        return self._create_named(valkey.secret(self._settings, self._password(name)), binding, name)

    def _role_secret(self, postgres: PostgresSettings, role: str, binding: pulumi.Resource) -> pulumi.Output[str]:
        name = database.role_secret_name(self._settings, postgres, role)
        secret = database.role_secret(self._settings, role, self._password(name))
        return self._create_named(secret, binding, name)

    def _password(self, name: str) -> pulumi.Output[str]:
        """Return the generated password for the Secret `name`, which Pulumi encrypts in its state."""
        opts = pulumi.ResourceOptions(parent=self, ignore_changes=["bytes"])
        return RandomSecret(f"{name}-password", PASSWORD_BYTES, opts).value

    def _valkey(
        self, server: AppValkeySettings, image: str, secret: pulumi.Output[str], after: Sequence[pulumi.Resource]
    ) -> pulumi.Resource:
        app = self._settings
        claims = self._create_all(valkey.claims(app, server, self._platform), after, protect=self._protects_data)
        needed = [*after, *claims, self._create(valkey.service(app), after)]
        return self._create(valkey.stateful_set(app, server, image, secret), needed)

    def _mariadb(
        self, server: AppMariadbSettings, image: str, secret: pulumi.Output[str], after: Sequence[pulumi.Resource]
    ) -> pulumi.Resource:
        app = self._settings
        claim = self._create(mariadb.claim(app, server, self._platform), after, protect=self._protects_data)
        needed = [*after, claim, self._create(mariadb.service(app), after)]
        timeouts = pulumi.CustomTimeouts(create=DATABASE_TIMEOUT, update=DATABASE_TIMEOUT)
        return self._create(mariadb.stateful_set(app, server, image, secret), needed, custom_timeouts=timeouts)

    def _backup(
        self, settings: AppBackupSettings, image: str, sources: ConfigSources, after: Sequence[pulumi.Resource]
    ) -> None:
        name = backup.name(self._settings)
        keys = self._create_named(backup.secret(self._settings, settings, self._platform), after[0], name)
        self._create(backup.cron_job(self._settings, settings, settings.image or image, keys, sources), after)

    def _before(
        self, container: AppContainerSettings, sources: ConfigSources, after: Sequence[pulumi.Resource]
    ) -> pulumi.Resource:
        job = jobs.pre_rollout_job(self._settings, container, self._platform, sources)
        return self._create(
            job,
            after,
            f"{self._settings.name}-{jobs.PRE_ROLLOUT}",
            delete_before_replace=True,  # a Job that an interrupted `up` left running must not run beside the new Job
            custom_timeouts=pulumi.CustomTimeouts(create=PRE_ROLLOUT_TIMEOUT),
        )

    def _pods(self, sources: ConfigSources, after: Sequence[pulumi.Resource]) -> pulumi.CustomResource:
        manifest = workload.workload(self._settings, self._platform, sources)
        pods = self._create(manifest, after, ignore_changes=workload.ignored_fields(self._settings))
        if volumes.CLAIM_TEMPLATES in manifest["spec"]:
            spec: pulumi.Output[Any] = pods.spec  # type: ignore[attr-defined]
            wanted_and_spec = pulumi.Output.all(manifest["spec"][volumes.CLAIM_TEMPLATES], spec)
            wanted_and_spec.apply(lambda both: volumes.report_differences(both[0], both[1], self._path, pods))
        return pods

    def _workers(self, sources: ConfigSources, after: Sequence[pulumi.Resource]) -> None:
        manifests = workers.deployments(self._settings, self._platform, sources)
        # replace a Deployment whose strategy changes to Recreate: the API server has filled in defaults for
        # `rollingUpdate`, and rejects the strategy Recreate together with these defaults
        replacement = {"replace_on_changes": ["spec.strategy"], "delete_before_replace": True}
        deployments = self._create_all(manifests, after, **replacement)
        self._create_all(workers.disruption_budgets(self._settings), deployments)

    def _files(self, binding: pulumi.Resource) -> pulumi.Output[str] | None:
        app = self._settings
        if not app.files:
            return None
        return self._create_named(config_objects.config_map(app, self._platform), binding, f"{app.name}-files")

    def _secrets(self, binding: pulumi.Resource) -> pulumi.Output[str] | None:
        app = self._settings
        if not (app.secrets or app.secret_files):
            return None
        return self._create_named(config_objects.secret(app), binding, f"{app.name}-secrets")

    def _htpasswd(self, binding: pulumi.Resource) -> pulumi.Output[str] | None:
        app, users = self._settings, self._settings.ingress.basic_auth
        if users is None:
            return None
        manifest = config_objects.htpasswd(app, users, self._path)
        return self._create_named(manifest, binding, f"{app.name}-htpasswd")

    def _pull(self, binding: pulumi.Resource) -> pulumi.Output[str] | None:
        app, login = self._settings, self._settings.image_pull_secret
        if login is None:
            return None
        return self._create_named(config_objects.image_pull_secret(app, login), binding, f"{app.name}-pull")

    def _create_named(self, manifest: Manifest, after: pulumi.Resource, name: str) -> pulumi.Output[str]:
        """Create an immutable ConfigMap or Secret, and return the name that Pulumi generates for it."""
        metadata: pulumi.Output[Any] = self._create(manifest, [after], name).metadata  # type: ignore[attr-defined]
        generated: pulumi.Output[str] = metadata["name"]
        return generated

    def _create_all(
        self, manifests: Iterable[Manifest], after: Sequence[pulumi.Resource], **opts: Any
    ) -> list[pulumi.CustomResource]:
        return [self._create(manifest, after, **opts) for manifest in manifests]

    def _create(
        self, manifest: Manifest, after: Sequence[pulumi.Resource], name: str = "", **opts: Any
    ) -> pulumi.CustomResource:
        options = pulumi.ResourceOptions(parent=self, provider=self._provider, depends_on=list(after), **opts)
        own_name = name or manifest["metadata"]["name"]
        patched = patches.patched(self._settings, resolve_secrets(manifest), own_name)
        # without the prefix, objects of two apps could have the same URN, because a URN omits the parent's name
        return create_resource(patched, name or f"{self._prefix}{own_name}", options)


def create_provider(platform: AppPlatformOutputs, opts: pulumi.ResourceOptions | None = None) -> kubernetes.Provider:
    """Create the Kubernetes provider that manages apps on the platform."""
    return kubernetes.Provider(
        "platform",
        kubeconfig=platform.app_kubeconfig,
        cluster_identifier="platform",
        upsert_existing_objects=True,  # adopts objects that an interrupted run created but did not record
        opts=opts,
    )
