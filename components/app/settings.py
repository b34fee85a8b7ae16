"""An app as its owner describes it."""

from typing import Literal

from pydantic import Field

from components.app.container_settings import AppContainerSettings, AppCronSettings
from components.app.kinds import (
    AppHost,
    AppName,
    Capability,
    Cpu,
    EnvName,
    Image,
    IngressPath,
    Lines,
    Path,
    Percent,
    PortName,
    Seconds,
    Size,
    StackName,
    UserId,
)
from components.app.port_settings import AppLoadBalancerSettings, AppPortSettings
from components.app.postgres_settings import PostgresSettings
from components.app.probe_settings import AppProbesSettings
from components.app.strategy_settings import AppStrategySettings
from components.app.volume_settings import AppVolumeSettings
from components.fields import Count, HostLabel, LabelValue, Network, NodeLabel, Port, Switch, Taint, Text
from components.model import Model, SecretRef


class AppTlsSettings(Model):
    """Which certificate the app's hosts have."""

    certificate: Switch = True
    """Whether the hosts get a certificate of their own; without, they have the ingress controller's."""
    issuer: HostLabel | None = None
    """Issuer of that certificate. Default: the platform's."""


class AppAutoscalingSettings(Model):
    """How many pods there are, by what they do."""

    min: Count = 3
    """At least so many pods."""
    max: Count
    """At most so many pods."""
    cpu: Percent = 80
    """Percentage of the promised processor time that the pods shall use on average."""


class AppRemoteSecretSettings(Model):
    """A secret that the platform's externalSecrets brings from where it is kept."""

    store: HostLabel
    """Store of the platform."""
    key: Text
    """Name of the secret there, such as shop/payments."""
    property: Text | None = None
    """Key within it, where it holds several. Default: all of it."""


class AppPullSettings(Model):
    """Login at the registry of the app's image."""

    username: Text
    """User name."""
    password: SecretRef
    """Secret that holds the password or token."""


class AppDestinationSettings(Model):
    """A place that the app connects to: one namespace of the cluster, or one network."""

    namespace: HostLabel | None = None
    """Namespace; all of its pods."""
    network: Network | None = None
    """Network outside the cluster; one address is a network with /32."""
    ports: tuple[Port, ...] = ()
    """TCP ports there. Default: all ports and protocols."""


class AppAllowSettings(Model):
    """Connections beside those that the app always has: from the ingress controller, to DNS, to its database."""

    from_: tuple[HostLabel, ...] = ()
    """Namespaces whose pods may connect to the app's port, and to its `ports`."""
    to: tuple[AppDestinationSettings, ...] = ()
    """Places that the app may connect to."""
    internet: Switch = False
    """Whether it may connect to all public addresses."""


class AppSettings(Model):
    """An app: what runs, how it is reached, and what it keeps."""

    platform: StackName
    """Stack of the platform: its name in this project, or organization/project/stack."""
    platform_outputs: SecretRef | None = None
    """Secret that holds what `./homelab platform` prints. Default: the stack of the platform is read for it."""
    name: AppName
    """Name of the app, and of its namespace."""
    image: Image
    """Image of its container, with a tag or digest."""
    command: tuple[Text, ...] = ()
    """Program to run. Default: that of the image."""
    args: tuple[Text, ...] = ()
    """Its arguments. Default: those of the image."""
    sidecars: dict[HostLabel, AppContainerSettings] = Field(default_factory=dict)
    """Further containers of each pod, by name."""
    init_containers: dict[HostLabel, AppContainerSettings] = Field(default_factory=dict)
    """Init containers of each pod, by name, in this order."""
    before: AppContainerSettings | None = None
    """Job that must succeed before the rollout of a new version, such as a migration of the database."""
    cron: dict[HostLabel, AppCronSettings] = Field(default_factory=dict)
    """CronJobs, by name."""
    replicas: Count | None = None
    """Number of pods, spread over the nodes. Default: 3, or 1 with a volume that is for one pod."""
    autoscaling: AppAutoscalingSettings | None = None
    """A changing number of pods instead of `replicas`."""
    port: Port = 8080
    """Port on which it answers HTTP."""
    ports: dict[PortName, AppPortSettings] = Field(default_factory=dict)
    """Further ports of its Service, by name. `allow.from` says which pods may connect."""
    load_balancer: AppLoadBalancerSettings | None = None
    """Service of type LoadBalancer for these `ports`. Default: none."""
    hosts: tuple[AppHost, ...] = ()
    """Names under which it is reached; one without a dot gets the platform's domain."""
    paths: tuple[IngressPath, ...] = ("/",)
    """Paths of these hosts that the Ingress sends to it, with all below them."""
    tls: AppTlsSettings = AppTlsSettings()
    """Certificates of the hosts."""
    environment: dict[EnvName, Lines] = Field(default_factory=dict)
    """Environment variables. `$(NAME)` stands for one of a secret or of the database."""
    secrets: dict[EnvName, SecretRef] = Field(default_factory=dict)
    """Environment variables that are secrets of the stack."""
    remote_secrets: dict[EnvName, AppRemoteSecretSettings] = Field(default_factory=dict)
    """Environment variables that are secrets kept elsewhere. Pods read them when they start."""
    secret_files: dict[Path, SecretRef] = Field(default_factory=dict)
    """Files that are secrets of the stack: path → secret."""
    files: dict[Path, Lines] = Field(default_factory=dict)
    """Configuration files: path → content."""
    volumes: dict[HostLabel, AppVolumeSettings] = Field(default_factory=dict)
    """Volumes, by name."""
    scratch: tuple[Path, ...] = ("/tmp",)  # noqa: S108 - a folder of the pod
    """Folders that it may write to and that begin empty; all others of its image are read-only."""
    probes: AppProbesSettings = AppProbesSettings()
    """Probes of its container."""
    cpu: Cpu = "100m"
    """CPU request of its container."""
    memory: Size = "128Mi"
    """Memory request and limit of its container."""
    user: UserId = 65532
    """User ID that its containers run as; 0 is root."""
    group: UserId | None = None
    """Group ID that its containers run as, and that owns its volumes (fsGroup). Default: as `user`."""
    supplemental_groups: tuple[UserId, ...] = ()
    """IDs of further groups of its user."""
    writable_root: Switch = False
    """Whether it may write to the root file system of its containers, which a restart empties."""
    capabilities: tuple[Capability, ...] = ()
    """Linux capabilities of its containers. Default: none, for root too."""
    privileged: Switch = False
    """Whether its containers are privileged, which makes them root on their node."""
    image_pull_secret: AppPullSettings | None = None
    """Login at the registry of its image. Default: that of `cluster.registries`, or none."""
    arch: Literal["amd64", "arm64", "arm"] | None = None
    """Architecture of the nodes that it runs on, for an image that does not support all of them."""
    nodes: dict[NodeLabel, LabelValue] = Field(default_factory=dict)
    """Labels of the nodes that it runs on (nodeSelector). Default: none, so any node."""
    tolerations: tuple[Taint, ...] = ()
    """Taints of nodes that it tolerates, as `cluster.nodes` writes them."""
    grace_period: Seconds = 30
    """Seconds that a pod has for its termination (terminationGracePeriodSeconds)."""
    stop: tuple[Text, ...] = ()
    """Command of the preStop hook, before SIGTERM. Default: wait five seconds and still answer."""
    shared_memory: Size | None = None
    """Size of /dev/shm, as part of the memory of the pod. Default: 64 MiB, beside that memory."""
    allow: AppAllowSettings = AppAllowSettings()
    """Connections that are allowed; all others are refused."""
    strategy: AppStrategySettings | None = None
    """How a new version takes over, by Argo Rollouts. Default: a rolling update."""
    traces: Switch = False
    """Whether it sends traces (OTLP over HTTP): it is told where to, by OpenTelemetry's variables, and may go there."""
    postgres: PostgresSettings | None = None
    """A database of its own. Default: none."""
    discard: Switch = False
    """Whether its database and volumes may be deleted; takes effect with the next `pulumi up`."""
