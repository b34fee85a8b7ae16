"""Monitoring with Prometheus, Alertmanager and Grafana: metrics, alerts and dashboards."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from pydantic import Field

from components.kubernetes.manifest import Json, Manifest
from components.layers.longhorn import SINGLE_REPLICA_CLASS
from components.layers.monitoring import alert_rules, dashboards
from components.layers.monitoring import receivers as alerts
from components.layers.monitoring.receivers import ReceiverSettings
from components.layers.shared import volumes
from components.layers.shared.web_ui import WebUI
from components.layers.traefik.layer import INGRESS_CLASS
from components.platform.layer import Layer, disruption_budget, resources
from components.settings.errors import Finding
from components.settings.fields import DnsLabel, Domain, PositiveInt
from components.settings.kubernetes_fields import Size
from components.settings.model import Model, SecretRef
from components.settings.quantities import mebibytes

PROMETHEUS_URL = "http://kube-prometheus-stack-prometheus.monitoring.svc:9090"
"""URL of Prometheus inside the cluster."""
_CRITICAL = "system-cluster-critical"


class GrafanaSettings(Model):
    """Settings of Grafana. A restart of Grafana deletes dashboards that you have created in Grafana's web UI.

    Create your Grafana dashboards as ConfigMaps, which survive a restart.
    """

    host: Domain | None = None
    """Host name of the web UI. Default: `grafana.DOMAIN`."""
    issuer: DnsLabel | None = None
    """ClusterIssuer for the TLS certificate of Grafana's web UI. Default: the default ClusterIssuer of the layer
    certManager."""
    admin_password: SecretRef | None = None
    """Pulumi secret that contains the password of Grafana's user `admin`. Default: the chart generates a password, and
    stores it in the Kubernetes Secret kube-prometheus-stack-grafana."""


class MonitoringSettings(Model):
    """Settings of Prometheus, Alertmanager and Grafana.

    If the cluster has two or more nodes, Prometheus and Alertmanager have two replicas each.
    """

    retention_days: PositiveInt = 15
    """Number of days for which Prometheus retains metrics. Prometheus deletes older metrics earlier if its volume is
    full."""
    size: Size = "20Gi"
    """Size of the volume of each Prometheus replica. A later change of the size does not resize existing volumes."""
    storage_class: DnsLabel | None = None
    """StorageClass of the volumes. Default: `longhorn-single` with the layer longhorn, because Prometheus has its own
    replicas; otherwise the cluster's default StorageClass."""
    memory: Size = "2Gi"
    """Memory request and limit of each Prometheus replica."""
    grafana: GrafanaSettings = GrafanaSettings()
    """Settings of Grafana."""
    receivers: dict[DnsLabel, ReceiverSettings] = Field(default_factory=dict)
    """Receivers of Prometheus alerts, by a name of your choice. Default: none, so only Grafana shows alerts."""


class Monitoring(Layer[MonitoringSettings]):
    """Layer for Prometheus, Alertmanager and Grafana.

    To collect metrics of etcd, set the K3s option `etcd-expose-metrics`.
    """

    key = "monitoring"
    settings_type = MonitoringSettings
    namespace = "monitoring"
    pod_security = "privileged"  # node exporters read the network, processes and files of the host
    installs_after = ("certManager", "traefik", "longhorn")
    early_charts = ("prometheus-operator-crds",)
    user_data = "recorded metrics"
    user_data_queries = ("persistentvolumeclaims -n monitoring",)
    timeout_seconds = 900

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values.

        homelab never deletes the CRDs of Prometheus Operator, which have a separate chart, because other layers use the
        CRDs.
        """
        stack: dict[str, Json] = {
            "crds": {"enabled": False},
            "prometheusOperator": self._operator(),
            "prometheus": {"podDisruptionBudget": self._budget(), "prometheusSpec": self._prometheus()},
            "alertmanager": {"podDisruptionBudget": self._budget(), "alertmanagerSpec": self._alertmanager()},
            "grafana": self._grafana(),
            "kube-state-metrics": {"resources": resources("10m", "128Mi"), **alert_rules.snapshot_metrics_values()},
            "prometheus-node-exporter": {
                "priorityClassName": "system-node-critical",
                "resources": resources("10m", "64Mi"),
            },
            "nodeExporter": {"operatingSystems": {"aix": {"enabled": False}, "darwin": {"enabled": False}}},
        }
        crds = {"annotations": {"helm.sh/resource-policy": "keep"}}
        return {"prometheus-operator-crds": {"crds": crds}, "kube-prometheus-stack": stack | self._k3s()}

    def _operator(self) -> Json:
        certificates = self.lab.is_enabled("certManager")
        return {
            "priorityClassName": _CRITICAL,
            "resources": resources("25m", "192Mi"),
            "prometheusConfigReloader": {"resources": resources("10m", "64Mi")},
            "admissionWebhooks": {
                "failurePolicy": "Ignore",  # the chart creates rules before its own webhook answers
                "certManager": {"enabled": certificates},
                "patch": {"enabled": not certificates, "resources": resources("10m", "64Mi")},
            },
        }

    def _prometheus(self) -> Json:
        capacity = mebibytes(self.settings.size)
        kinds = ("rule", "serviceMonitor", "podMonitor", "probe", "scrapeConfig")
        return {
            "replicas": self.replicas,
            "retention": f"{self.settings.retention_days}d",
            "retentionSize": f"{capacity * 4 // 5}MiB",  # a full volume would stop Prometheus
            "storageSpec": self._volume(self.settings.size),
            "resources": resources("200m", self.settings.memory),
            "priorityClassName": _CRITICAL,
            **{f"{kind}SelectorNilUsesHelmValues": False for kind in kinds},
        }

    def _alertmanager(self) -> Json:
        return {
            "replicas": self.replicas,
            "storage": self._volume("1Gi"),
            "resources": resources("10m", "128Mi"),
            "priorityClassName": _CRITICAL,
            # receivers in the stack file get all alerts; an AlertmanagerConfig gets the alerts of its namespace
            "alertmanagerConfigMatcherStrategy": {"type": "OnNamespaceExceptForAlertmanagerNamespace"},
        }

    def _volume(self, size: str) -> Json:
        default_class = SINGLE_REPLICA_CLASS if self.lab.is_enabled("longhorn") else None
        storage_class = self.settings.storage_class or default_class
        spec: dict[str, Json] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
        return {"volumeClaimTemplate": {"spec": spec | ({"storageClassName": storage_class} if storage_class else {})}}

    def _budget(self) -> Json:
        return disruption_budget(self.replicas, minAvailable=1)

    def _grafana(self) -> Json:
        password = self.settings.grafana.admin_password
        return {
            "ingress": self._ingress(),
            "resources": resources("50m", "512Mi"),
            "sidecar": {"resources": resources("10m", "192Mi"), "datasources": {"searchNamespace": "ALL"}},
            # Grafana reads the admin password only at startup, so the chart restarts Grafana when the password changes
            **({"adminPassword": password} if password else {}),
        }

    def _ingress(self) -> Json:
        if not self.web_ui.has_ingress:
            return {"enabled": False}
        return {
            "enabled": True,
            "ingressClassName": INGRESS_CLASS,
            "hosts": [self.web_ui.host],
            "annotations": self.web_ui.annotations,
            "tls": self.web_ui.tls("grafana-tls"),
        }

    @property
    def web_ui(self) -> WebUI:
        """The web UI of Grafana."""
        return WebUI(self.lab, self.key, "grafana", self.settings.grafana.host, self.settings.grafana.issuer)

    def _k3s(self) -> dict[str, Json]:
        """Return the Helm values for K3s, whose API server exports the metrics of all components except etcd."""
        etcd = self._etcd()
        components = {name: {"enabled": False} for name in ("kubeControllerManager", "kubeScheduler", "kubeProxy")}
        disabled = ("kubeControllerManager", "kubeSchedulerAlerting", "kubeSchedulerRecording", "kubeProxy", "windows")
        groups = {**dict.fromkeys(disabled, False), "etcd": bool(etcd)}
        etcd_values = {"enabled": bool(etcd), "endpoints": etcd}
        return {**components, "kubeEtcd": etcd_values, "defaultRules": {"rules": groups}}

    def _etcd(self) -> list[str]:
        k3s = self.lab.cluster.k3s
        servers = ((node, {**k3s.options, **k3s.server_options, **node.options}) for node in self.lab.cluster.servers)
        return [node.address for node, options in servers if options.get("etcd-expose-metrics") is True]

    def objects_before_charts(self) -> Sequence[Manifest]:
        """Return the Kubernetes Secrets with the passwords and webhook URLs of alert receivers."""
        receivers = self.settings.receivers.items()
        secrets = (alerts.credential_secrets(name, receiver, self.namespace) for name, receiver in receivers)
        return list(chain.from_iterable(secrets))

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the alert receivers, and the alert rules and dashboards of all enabled layers."""
        settings = self.settings.receivers.items()
        receivers = [alerts.alertmanager_config(name, receiver, self.namespace) for name, receiver in settings]
        monitors = [alert_rules.database_pod_monitor(self.namespace)] if self.lab.is_enabled("cloudnativePg") else []
        boards = dashboards.config_maps(self.lab, self.namespace)
        return [*receivers, *alert_rules.prometheus_rules(self.lab, self.namespace), *monitors, *boards]

    def outputs(self) -> Mapping[str, object]:
        """Return the URL of Prometheus."""
        return {"metrics_endpoint": PROMETHEUS_URL}

    @property
    def replicas(self) -> int:
        """Number of replicas. Two replicas of Prometheus and Alertmanager tolerate the failure of one node."""
        return self.lab.replicas(2)

    def findings(self) -> Iterator[Finding]:
        """Yield errors in Grafana's web UI, the StorageClass and the alert receivers."""
        volume_problems = volumes.findings(self.lab, self.settings.storage_class)
        return chain(self.web_ui.findings("grafana"), volume_problems, alerts.findings(self.settings.receivers))
