"""Settings of an app, without the platform that runs the app."""

from typing import Literal

from pydantic import Field

from components.app.allow_settings import AppAllowSettings
from components.app.autoscaling_settings import AppAutoscalingSettings
from components.app.backup_settings import AppBackupSettings
from components.app.container_settings import AppContainerSettings, AppCronSettings, AppWorkerSettings
from components.app.dns_settings import AppDnsConfigSettings, AppHostAliasSettings
from components.app.host_settings import AppDeviceSettings, AppGpuSettings
from components.app.ingress_settings import AppIngressSettings, AppTlsSettings
from components.app.mariadb_settings import AppMariadbSettings
from components.app.monitoring_settings import AlertName, AppAlertSettings, AppMetricsSettings
from components.app.patch_settings import AppPatchSettings
from components.app.placement_settings import AppTopologySpreadSettings
from components.app.port_settings import AppLoadBalancerSettings, AppPortSettings
from components.app.postgres_settings import PostgresSettings
from components.app.probe_settings import AppProbesSettings
from components.app.secret_settings import AppPullSettings, AppRemoteSecretSettings
from components.app.service_account_settings import AppServiceAccountSettings
from components.app.strategy_settings import AppStrategySettings
from components.app.valkey_settings import AppValkeySettings
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
    """Job that must succeed before the rollout of a new version starts, such as a database migration."""
    cron: dict[DnsLabel, AppCronSettings] = Field(default_factory=dict)
    """CronJobs of the app, by name."""
    replicas: PositiveInt | None = None
    """Number of the app's pods, which Kubernetes spreads over the nodes. Default: 3, or 1 if the app has a volume or
    device that only one pod can use, a GPU, or `hostNetwork`."""
    autoscaling: AppAutoscalingSettings | None = None
    """HorizontalPodAutoscaler, which sets the number of the app's pods instead of `replicas`."""
    port: Port = 8080
    """Container port on which the app answers HTTP requests."""
    ports: dict[PortName, AppPortSettings] = Field(default_factory=dict)
    """Additional ports of the app's Service, by name. The setting `allow.from` lists the namespaces whose pods may
    connect to the additional ports."""
    load_balancer: AppLoadBalancerSettings | None = None
    """Service of type LoadBalancer for the app's `ports`. Default: none."""
    hosts: tuple[IngressHost, ...] = ()
    """Host names of the app's Ingress. homelab appends the platform's domain to a name without a dot. The wildcard
    hosts `*.DOMAIN` and `*` match requests for hosts that no other Ingress contains."""
    paths: tuple[IngressPath, ...] = ("/",)
    """URL path prefixes that the Ingress routes to the app."""
    tls: AppTlsSettings = AppTlsSettings()
    """TLS certificates of the app's hosts."""
    ingress: AppIngressSettings = AppIngressSettings()
    """Redirects, HTTP headers, request limits and authentication for requests to the app's hosts."""
    environment: dict[EnvName, MultilineText] = Field(default_factory=dict)
    """Environment variables. In a value, `$(NAME)` inserts another variable, such as a secret or a variable of the
    database. `$(HOMELAB_HOST)` inserts the fully qualified name of the app's first host."""
    secrets: dict[EnvName, SecretRef] = Field(default_factory=dict)
    """Environment variables whose values are Pulumi secrets: name → secret."""
    remote_secrets: dict[EnvName, AppRemoteSecretSettings] = Field(default_factory=dict)
    """Environment variables whose values external-secrets reads from an external secret store. Running pods keep the
    old value until they restart."""
    secret_files: dict[AbsolutePath, SecretRef] = Field(default_factory=dict)
    """Files whose contents are Pulumi secrets: path in the container → secret."""
    remote_secret_files: dict[AbsolutePath, AppRemoteSecretSettings] = Field(default_factory=dict)
    """Files whose contents external-secrets reads from an external secret store: path in the container → secret.
    Running pods keep the old content until they restart."""
    files: dict[AbsolutePath, MultilineText] = Field(default_factory=dict)
    """Configuration files in the app's containers: path → content. `$(HOMELAB_HOST)` in the content inserts the fully
    qualified name of the app's first host."""
    volumes: dict[DnsLabel, AppVolumeSettings] = Field(default_factory=dict)
    """Volumes of the app, by name."""
    scratch: tuple[AbsolutePath, ...] = ("/tmp",)  # noqa: S108 - a folder of the pod
    """Writable folders in the containers (emptyDir), which are empty when a pod starts. The rest of a container's root
    file system is read-only unless `writableRoot` is true."""
    probes: AppProbesSettings = AppProbesSettings()
    """Probes of the app's container."""
    workers: dict[DnsLabel, AppWorkerSettings] = Field(default_factory=dict)
    """Additional Deployments that run other commands of the app, such as a queue worker, by name."""
    cpu: Cpu = "100m"
    """CPU request of the app's container."""
    memory: Size = "128Mi"
    """Memory request and limit of the app's container."""
    user: UserId = 65532
    """User ID of the app's containers; 0 is root."""
    group: UserId | None = None
    """Group ID of the app's containers, and of the files in the app's volumes (fsGroup). Default: the value of
    `user`."""
    supplemental_groups: tuple[UserId, ...] = ()
    """Additional group IDs of the app's containers (supplementalGroups)."""
    writable_root: StrictBool = False
    """Whether the app's containers may write to their root file system. When a container restarts, Kubernetes discards
    all changes to its root file system."""
    capabilities: tuple[Capability, ...] = ()
    """Linux capabilities of the app's containers. Default: none, even for root."""
    privileged: StrictBool = False
    """Whether the app's containers are privileged, which gives the containers root access to the node."""
    pod_security: Literal["baseline", "privileged"] | None = None
    """Pod Security level of the app's namespace, for `patches` that need a more permissive level. Default: the
    strictest level that the app's other settings allow."""
    devices: tuple[AppDeviceSettings, ...] = ()
    """Node devices that the app's main container can open, such as a USB stick. With devices, the main container is
    privileged."""
    gpu: AppGpuSettings | None = None
    """GPUs that the app's main container requests. Default: none."""
    host_network: StrictBool = False
    """Whether the app's pods use their node's network namespace (hostNetwork). With `true`, each node runs at most one
    pod of the app, and NetworkPolicies do not apply to the app's pods."""
    image_pull_secret: AppPullSettings | None = None
    """Credentials for the registry of the app's image (imagePullSecrets). Default: the registry's credentials in
    `cluster.registries` of the platform, or none."""
    service_account: AppServiceAccountSettings | None = None
    """ServiceAccount of the app's pods, with rights in the Kubernetes API. Default: none, so the pods have no token and
    cannot connect to the Kubernetes API."""
    arch: Literal["amd64", "arm64", "arm"] | None = None
    """CPU architecture of the nodes on which the app runs, for an image that does not support the architectures of all
    nodes."""
    nodes: dict[SelectorKey, LabelValue] = Field(default_factory=dict)
    """Labels that a node must have to run the app (nodeSelector). Default: none, so the app runs on any node."""
    tolerations: tuple[Taint, ...] = ()
    """Node taints that the app tolerates, written as in `cluster.nodes`."""
    topology_spread_constraints: tuple[AppTopologySpreadSettings, ...] = ()
    """Distribution of the app's pods over groups of nodes (topologySpreadConstraints). Default: Kubernetes spreads the
    pods over the nodes."""
    host_aliases: tuple[AppHostAliasSettings, ...] = ()
    """Entries of the file /etc/hosts in the app's containers (hostAliases)."""
    dns_policy: Literal["ClusterFirst", "None"] = "ClusterFirst"
    """DNS servers of the app's pods (dnsPolicy): `ClusterFirst` uses the cluster's DNS server, and `None` uses only
    the DNS servers in `dnsConfig`."""
    dns_config: AppDnsConfigSettings | None = None
    """Entries of the file /etc/resolv.conf in the app's containers (dnsConfig). Default: none."""
    grace_period: Seconds = 30
    """Seconds that a pod has to terminate before Kubernetes kills the pod (terminationGracePeriodSeconds)."""
    stop: tuple[Text, ...] = ()
    """Command of the container's preStop hook, which runs before SIGTERM. Default: the preStop hook waits for five
    seconds, in which the container still answers requests."""
    shared_memory: Size | None = None
    """Size of the memory file system /dev/shm, whose content counts toward the pod's memory limit. Default: the
    container runtime's /dev/shm of 64 MiB."""
    allow: AppAllowSettings = AppAllowSettings()
    """Connections that the app's NetworkPolicies allow. The NetworkPolicies deny all other ingress and egress of the
    app's pods (default deny)."""
    strategy: AppStrategySettings | None = None
    """Canary or blue-green rollout of new versions by Argo Rollouts. Default: a rolling update by Kubernetes."""
    traces: StrictBool = False
    """Whether the app may send traces to the platform by OTLP over HTTP. OpenTelemetry's environment variables in the
    app's containers contain the endpoint."""
    metrics: AppMetricsSettings | None = None
    """Metrics endpoint of the app's pods, which Prometheus scrapes. Default: none."""
    alerts: dict[AlertName, AppAlertSettings] = Field(default_factory=dict)
    """Prometheus alert rules of the app, by the name of the alert. Alertmanager sends the alerts to the platform's
    receivers."""
    dashboards: dict[DnsLabel, MultilineText] = Field(default_factory=dict)
    """Grafana dashboards of the app: name → JSON."""
    postgres: PostgresSettings | None = None
    """PostgreSQL database of the app. Default: none."""
    mariadb: AppMariadbSettings | None = None
    """MariaDB server of the app. Default: none."""
    valkey: AppValkeySettings | None = None
    """Valkey server of the app, which uses the Redis protocol. Default: none."""
    backup: AppBackupSettings | None = None
    """Backup of the app's volumes and of its MariaDB database. Default: none."""
    patches: tuple[AppPatchSettings, ...] = ()
    """Strategic merge patches of the app's Kubernetes objects, for fields that no other key sets."""
    discard: StrictBool = False
    """Whether Pulumi may delete the app's database and volumes. Before you remove a database or volume from the stack
    file, set `discard: true` and run `pulumi up`."""
