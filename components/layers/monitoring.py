"""Monitoring: metrics of the lab and of what runs on it, alerts, dashboards."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from pydantic import Field

from components import alerts, dashboards, rules, volumes
from components.alerts import ReceiverSettings
from components.app.kinds import Size
from components.fields import Count, Domain, HostLabel
from components.layer import Finding, Layer, resources
from components.layers.longhorn import SINGLE
from components.layers.traefik import CLASS
from components.manifest import Manifest, Tree
from components.model import Model, SecretRef
from components.page import Page

_CRITICAL = "system-cluster-critical"


class GrafanaSettings(Model):
    """Grafana: the dashboards. Those made in its page are gone when it restarts; bring yours as ConfigMaps."""

    host: Domain | None = None
    """Host name of its page. Default: `grafana.DOMAIN`."""
    issuer: HostLabel | None = None
    """Issuer of certManager for the page's certificate. Default: the default one."""
    admin_password: SecretRef | None = None
    """Secret that holds the password of `admin`. Default: the chart makes one, in kube-prometheus-stack-grafana."""


class MonitoringSettings(Model):
    """Prometheus, Alertmanager and Grafana. Prometheus and Alertmanager run twice where there are two machines."""

    retention_days: Count = 15
    """Days for which metrics are kept, unless their volume is full before."""
    size: Size = "20Gi"
    """Size of the volume of each Prometheus. It does not grow with this number once it is there."""
    storage_class: HostLabel | None = None
    """Class of the volumes. Default: longhorn-single with longhorn, as there are two Prometheus; else the default."""
    memory: Size = "2Gi"
    """Memory of each Prometheus."""
    grafana: GrafanaSettings = GrafanaSettings()
    """The dashboards."""
    receivers: dict[HostLabel, ReceiverSettings] = Field(default_factory=dict)
    """Who is told of alerts, by a name of your choice. Default: nobody; they are seen in Grafana."""


class Monitoring(Layer[MonitoringSettings]):
    """Prometheus, Alertmanager and Grafana; the metrics of etcd too where K3s has etcd-expose-metrics."""

    key = "monitoring"
    settings_type = MonitoringSettings
    namespace = "monitoring"
    security = "privileged"  # node exporters share network, processes and files of their machine
    after = ("certManager", "traefik", "longhorn")
    early = ("prometheus-operator-crds",)
    keeps = "recorded metrics"
    kept = ("persistentvolumeclaims -n monitoring",)
    timeout = 900

    def values(self) -> Mapping[str, Tree]:
        """Return the CRDs, which outlive the chart as other layers' objects need them, and what reads them."""
        stack: dict[str, Tree] = {
            "crds": {"enabled": False},
            "prometheusOperator": self._operator(),
            "prometheus": {"podDisruptionBudget": self._budget(), "prometheusSpec": self._prometheus()},
            "alertmanager": {"podDisruptionBudget": self._budget(), "alertmanagerSpec": self._alertmanager()},
            "grafana": self._grafana(),
            "kube-state-metrics": {"resources": resources("10m", "128Mi"), **rules.snapshot_metrics()},
            "prometheus-node-exporter": {
                "priorityClassName": "system-node-critical",
                "resources": resources("10m", "64Mi"),
            },
            "nodeExporter": {"operatingSystems": {"aix": {"enabled": False}, "darwin": {"enabled": False}}},
        }
        crds = {"annotations": {"helm.sh/resource-policy": "keep"}}
        return {"prometheus-operator-crds": {"crds": crds}, "kube-prometheus-stack": stack | self._k3s()}

    def _operator(self) -> Tree:
        certificates = self.lab.has("certManager")
        return {
            "priorityClassName": _CRITICAL,
            "resources": resources("25m", "192Mi"),
            "prometheusConfigReloader": {"resources": resources("10m", "64Mi")},
            "admissionWebhooks": {
                "failurePolicy": "Ignore",  # the chart brings rules before its own webhook answers
                "certManager": {"enabled": certificates},
                "patch": {"enabled": not certificates, "resources": resources("10m", "64Mi")},
            },
        }

    def _prometheus(self) -> Tree:
        amount = volumes.mebibytes(self.settings.size)
        everything = ("rule", "serviceMonitor", "podMonitor", "probe", "scrapeConfig")
        return {
            "replicas": self.replicas,
            "retention": f"{self.settings.retention_days}d",
            "retentionSize": f"{amount * 4 // 5}MiB",  # a volume that is full stops it
            "storageSpec": self._volume(self.settings.size),
            "resources": resources("200m", self.settings.memory),
            "priorityClassName": _CRITICAL,
            **{f"{kind}SelectorNilUsesHelmValues": False for kind in everything},
        }

    def _alertmanager(self) -> Tree:
        return {
            "replicas": self.replicas,
            "storage": self._volume("1Gi"),
            "resources": resources("10m", "128Mi"),
            "priorityClassName": _CRITICAL,
            # our receivers get the alerts of all namespaces, those of an app the alerts of its own
            "alertmanagerConfigMatcherStrategy": {"type": "OnNamespaceExceptForAlertmanagerNamespace"},
        }

    def _volume(self, size: str) -> Tree:
        chosen = self.settings.storage_class or (SINGLE if self.lab.has("longhorn") else None)
        spec: dict[str, Tree] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
        return {"volumeClaimTemplate": {"spec": spec | ({"storageClassName": chosen} if chosen else {})}}

    def _budget(self) -> Tree:
        return {"enabled": True, "minAvailable": 1} if self.replicas > 1 else {"enabled": False}

    def _grafana(self) -> Tree:
        password = self.settings.grafana.admin_password
        return {
            "ingress": self._ingress(),
            "resources": resources("50m", "512Mi"),
            "sidecar": {"resources": resources("10m", "192Mi"), "datasources": {"searchNamespace": "ALL"}},
            # in values, not in a secret of ours: so the chart restarts Grafana, which reads it at its start only
            **({"adminPassword": password} if password else {}),
        }

    def _ingress(self) -> Tree:
        if not self.page.served:
            return {"enabled": False}
        return {
            "enabled": True,
            "ingressClassName": CLASS,
            "hosts": [self.page.host],
            "annotations": self.page.annotations,
            "tls": self.page.tls("grafana-tls"),
        }

    @property
    def page(self) -> Page:
        """Grafana's page."""
        return Page(self.lab, self.key, "grafana", self.settings.grafana.host, self.settings.grafana.issuer)

    def _k3s(self) -> dict[str, Tree]:
        """What K3s runs in one process, whose metrics come with those of the API; etcd's have their own port."""
        etcd = self._etcd()
        parts = {part: {"enabled": False} for part in ("kubeControllerManager", "kubeScheduler", "kubeProxy")}
        off = ("kubeControllerManager", "kubeSchedulerAlerting", "kubeSchedulerRecording", "kubeProxy", "windows")
        rules = {**dict.fromkeys(off, False), "etcd": bool(etcd)}
        return {**parts, "kubeEtcd": {"enabled": bool(etcd), "endpoints": etcd}, "defaultRules": {"rules": rules}}

    def _etcd(self) -> list[str]:
        k3s = self.lab.cluster.k3s
        given = ((node, {**k3s.options, **k3s.server_options, **node.options}) for node in self.lab.cluster.servers)
        return [node.address for node, options in given if options.get("etcd-expose-metrics") is True]

    def before(self) -> Sequence[Manifest]:
        """Return the passwords and URLs of receivers."""
        given = self.settings.receivers.items()
        return [*chain.from_iterable(alerts.secret(name, each, self.namespace) for name, each in given)]

    def extend(self) -> Sequence[Manifest]:
        """Return the receivers, the alerts on what other layers bring, and their dashboards."""
        told = [alerts.receiver(name, each, self.namespace) for name, each in self.settings.receivers.items()]
        seen = [rules.databases(self.namespace)] if self.lab.has("cloudnativePg") else []
        shown = dashboards.dashboards(self.lab, self.namespace)
        return [*told, *rules.rules(self.lab, self.namespace), *seen, *shown]

    def outputs(self) -> Mapping[str, object]:
        """Return where Prometheus answers."""
        return {"metrics_endpoint": f"http://kube-prometheus-stack-prometheus.{self.namespace}.svc:9090"}

    @property
    def replicas(self) -> int:
        """Prometheus, and Alertmanagers: two, as one of them may be on the machine that fails."""
        return self.lab.replicas(2)

    def problems(self) -> Iterator[Finding]:
        """Yield what is wrong with the page, the volumes and the receivers."""
        found = volumes.problems(self.lab, self.settings.storage_class)
        return chain(self.page.problems("grafana"), found, alerts.problems(self.settings.receivers))
