"""Settings of an app, without the platform that runs the app."""

from typing import Literal

from pydantic import Field

from components.app.allow_settings import AppAllowSettings
from components.app.autoscaling_settings import AppAutoscalingSettings
from components.app.container_settings import AppContainerSettings, AppCronSettings, AppWorkerSettings
from components.app.host_settings import AppDeviceSettings, AppGpuSettings
from components.app.ingress_settings import AppIngressSettings, AppTlsSettings
from components.app.monitoring_settings import AlertName, AppAlertSettings, AppMetricsSettings
from components.app.patch_settings import AppPatchSettings
from components.app.port_settings import AppLoadBalancerSettings, AppPortSettings
from components.app.postgres_settings import PostgresSettings
from components.app.probe_settings import AppProbesSettings
from components.app.secret_settings import AppPullSettings, AppRemoteSecretSettings
from components.app.strategy_settings import AppStrategySettings
from components.app.volume_settings import AppVolumeSettings
from components.settings.fields import (
    DnsLabel,
    LabelValue,
    Port,
    PositiveInt,
    SelectorKey,
    StrictBool,
    Taint,
    Text,
)
from components.settings.http_fields import IngressHost
from components.settings.kubernetes_fields import (
    AbsolutePath,
    AppName,
    Capability,
    Cpu,
    EnvName,
    Image,
    IngressPath,
    MultilineText,
    PortName,
    Seconds,
    Size,
    UserId,
)
from components.settings.model import Model, SecretRef


class AppSettings(Model):
    """An app: its containers, ports, hosts, volumes and database."""

    name: AppName
    """Name of the app and of its namespace."""
    image: Image
    """Image of the app's container, with a tag or digest."""
    command: tuple[MultilineText, ...] = ()
    """Command to run. Default: the image's entrypoint."""
    args: tuple[MultilineText, ...] = ()
    """Arguments of the command. Default: the image's arguments."""
    sidecars: dict[DnsLabel, AppContainerSettings] = Field(default_factory=dict)
    """Additional containers of each pod, by name."""
    init_containers: dict[DnsLabel, AppContainerSettings] = Field(default_factory=dict)
    """Init containers of each pod, by name, in the order of execution."""
    before: AppContainerSettings | None = None
    """Job that must succeed before a new version rolls out, such as a database migration."""
    cron: dict[DnsLabel, AppCronSettings] = Field(default_factory=dict)
    """CronJobs of the app, by name."""
    replicas: PositiveInt | None = None
    """Number of pods, spread over the nodes. Default: 3, or 1 if the app has a volume or device that only one pod can
    use, a GPU, or `hostNetwork`."""
    autoscaling: AppAutoscalingSettings | None = None
    """Autoscaling of the pods instead of a fixed number of `replicas`."""
    port: Port = 8080
    """Port on which the app answers HTTP."""
    ports: dict[PortName, AppPortSettings] = Field(default_factory=dict)
    """Additional ports of the app's Service, by name. The setting `allow.from` defines which pods may connect to the
    ports."""
    load_balancer: AppLoadBalancerSettings | None = None
    """Service of type LoadBalancer for the app's `ports`. Default: none."""
    hosts: tuple[IngressHost, ...] = ()
    """Host names of the app's Ingress. homelab appends the platform's domain to a name without a dot. The app with
    `*.DOMAIN` or `*` gets the requests for hosts that no other app has."""
    paths: tuple[IngressPath, ...] = ("/",)
    """URL path prefixes that the Ingress routes to the app."""
    tls: AppTlsSettings = AppTlsSettings()
    """TLS certificates of the hosts."""
    ingress: AppIngressSettings = AppIngressSettings()
    """Redirects, headers, limits and authentication of the hosts."""
    environment: dict[EnvName, MultilineText] = Field(default_factory=dict)
    """Environment variables. In a value, `$(NAME)` inserts another variable, such as a secret or a variable of the
    database. `$(HOMELAB_HOST)` inserts the fully qualified name of the app's first host."""
    secrets: dict[EnvName, SecretRef] = Field(default_factory=dict)
    """Environment variables from secrets of the stack."""
    remote_secrets: dict[EnvName, AppRemoteSecretSettings] = Field(default_factory=dict)
    """Environment variables from secrets in an external store. Pods read changed secrets only at their next start."""
    secret_files: dict[AbsolutePath, SecretRef] = Field(default_factory=dict)
    """Files from secrets of the stack: path → secret."""
    files: dict[AbsolutePath, MultilineText] = Field(default_factory=dict)
    """Configuration files: path → content."""
    volumes: dict[DnsLabel, AppVolumeSettings] = Field(default_factory=dict)
    """Volumes of the app, by name."""
    scratch: tuple[AbsolutePath, ...] = ("/tmp",)  # noqa: S108 - a folder of the pod
    """Writable folders, which are empty when a pod starts. Folders of the image that are not in `scratch` are
    read-only."""
    probes: AppProbesSettings = AppProbesSettings()
    """Probes of the app's container."""
    workers: dict[DnsLabel, AppWorkerSettings] = Field(default_factory=dict)
    """Other commands of the app that run in Deployments of their own, by name."""
    cpu: Cpu = "100m"
    """CPU request of the app's container."""
    memory: Size = "128Mi"
    """Memory request and limit of the app's container."""
    user: UserId = 65532
    """User ID of the app's containers; 0 is root."""
    group: UserId | None = None
    """Group ID of the app's containers, which also owns its volumes (fsGroup). Default: the value of `user`."""
    supplemental_groups: tuple[UserId, ...] = ()
    """Additional group IDs of the app's containers (supplementalGroups)."""
    writable_root: StrictBool = False
    """Whether the containers may write to their root file system. A restart of a container discards changes of the root
    file system."""
    capabilities: tuple[Capability, ...] = ()
    """Linux capabilities of the app's containers. Default: none, even for root."""
    privileged: StrictBool = False
    """Whether the app's containers are privileged, which gives the containers root access to the node."""
    pod_security: Literal["baseline", "privileged"] | None = None
    """Pod Security level of the app's namespace, for `patches` that need a higher level. Default: the lowest level that
    the app's other keys need."""
    devices: tuple[AppDeviceSettings, ...] = ()
    """Devices of nodes for the app's own container, which becomes privileged."""
    gpu: AppGpuSettings | None = None
    """GPUs for the app's own container. Default: none."""
    host_network: StrictBool = False
    """Whether the app's pods use the network of their node (hostNetwork). Each node runs at most one of the pods, and
    NetworkPolicies do not apply to the pods."""
    image_pull_secret: AppPullSettings | None = None
    """Login at the registry of the app's image. Default: the registry's login in `cluster.registries`, or no login."""
    arch: Literal["amd64", "arm64", "arm"] | None = None
    """Architecture of the app's nodes, for an image that does not support the architectures of all nodes."""
    nodes: dict[SelectorKey, LabelValue] = Field(default_factory=dict)
    """Labels that a node must have to run the app (nodeSelector). Default: none, so the app runs on any node."""
    tolerations: tuple[Taint, ...] = ()
    """Node taints that the app tolerates, written as in `cluster.nodes`."""
    grace_period: Seconds = 30
    """Seconds that a pod has to terminate before Kubernetes kills the pod (terminationGracePeriodSeconds)."""
    stop: tuple[Text, ...] = ()
    """Command of the preStop hook, which runs before SIGTERM. Default: the pod answers requests for five more
    seconds."""
    shared_memory: Size | None = None
    """Size of /dev/shm, which is part of the pod's memory. Default: 64 MiB in addition to the pod's memory."""
    allow: AppAllowSettings = AppAllowSettings()
    """Connections that NetworkPolicies allow. NetworkPolicies deny all connections that are not allowed."""
    strategy: AppStrategySettings | None = None
    """Canary or blue-green rollout of new versions by Argo Rollouts. Default: a rolling update."""
    traces: StrictBool = False
    """Whether the app may send traces by OTLP over HTTP. The app gets the endpoint in OpenTelemetry's environment
    variables."""
    metrics: AppMetricsSettings | None = None
    """Metrics that Prometheus scrapes. Default: none."""
    alerts: dict[AlertName, AppAlertSettings] = Field(default_factory=dict)
    """Alert rules, by the name of the alert. The platform's receivers get the alerts."""
    dashboards: dict[DnsLabel, MultilineText] = Field(default_factory=dict)
    """Dashboards of Grafana: name → JSON."""
    postgres: PostgresSettings | None = None
    """PostgreSQL database of the app. Default: none."""
    patches: tuple[AppPatchSettings, ...] = ()
    """Strategic merge patches of the app's Kubernetes objects, for fields that no other key sets."""
    discard: StrictBool = False
    """Whether homelab may delete the app's database and volumes. `discard` takes effect with the next `pulumi up`."""
