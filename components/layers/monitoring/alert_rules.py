"""Prometheus alert rules for layers and for etcd snapshots.

The chart kube-prometheus-stack already contains alert rules for machines, disks, pods and K3s.
"""

from collections.abc import Iterator, Mapping

from components.kubernetes.manifest import Json, Manifest
from components.platform.layer import LabContext
from components.settings import cron

Alert = tuple[str, str, str, int, str]
"""An alert: its name, severity, PromQL condition, the minutes for which the condition must hold, and its text."""
_GROUP = "monitoring.coreos.com/v1"

_CERTIFICATE = "Certificate {{ $labels.exported_namespace }}/{{ $labels.name }}"
_VOLUME = "Volume {{ $labels.volume }} of {{ $labels.pvc_namespace }}/{{ $labels.pvc }}"
_DATABASE = "{{ $labels.namespace }}/{{ $labels.pod }}"
_EXPIRES = "max by (exported_namespace, name) (certmanager_certificate_expiration_timestamp_seconds)"
_READY = 'max by (exported_namespace, name) (certmanager_certificate_ready_status{condition="True"})'
_BARMAN = "barman_cloud_cloudnative_pg_io_last"
_LOST = 'sum by (component_id) (rate(vector_component_discarded_events_total{intentional="false"}[10m]))'
_REFUSED = 'sum(rate(loki_request_duration_seconds_count{route="loki_api_v1_push", status_code=~"5.."}[10m]))'
_ALERTS: Mapping[str, tuple[str, tuple[Alert, ...]]] = {
    "certManager": ("certificates", (
        ("CertificateNotReady", "warning", f"{_READY} == 0", 30,
         f"{_CERTIFICATE} has not been ready for half an hour."),
        # cert-manager reports the expiration time 0 for a certificate that it has not issued yet
        ("CertificateExpiresSoon", "critical", f"{_EXPIRES} > 0 and {_EXPIRES} - time() < 7 * 24 * 3600", 60,
         f"{_CERTIFICATE} expires within a week and was not renewed."),
    )),
    "longhorn": ("volumes", (
        ("VolumeDegraded", "warning", 'longhorn_volume_robustness{state="degraded"} == 1', 60,
         f"{_VOLUME} has had too few healthy replicas for an hour."),
        ("VolumeFaulted", "critical", 'longhorn_volume_robustness{state="faulted"} == 1', 5,
         f"{_VOLUME} has no healthy replica."),
        ("VolumeBackupFailed", "warning", "longhorn_backup_state == 4", 5,
         "Backup {{ $labels.backup }} of volume {{ $labels.volume }} failed."),
        ("VolumeDiskFull", "warning", "longhorn_disk_usage_bytes > 0.85 * longhorn_disk_capacity_bytes", 15,
         "Longhorn uses more than 85 % of the disk {{ $labels.disk }} of {{ $labels.node }}."),
    )),
    "cloudnativePg": ("databases", (
        ("DatabaseDown", "critical", "cnpg_collector_up == 0", 5, f"Database {_DATABASE} does not answer."),
        ("DatabaseBehind", "warning", "cnpg_pg_replication_lag > 300", 10,
         f"Database instance {_DATABASE} is more than five minutes behind the primary instance."),
        ("DatabaseArchivingFails", "warning",
         "cnpg_pg_stat_archiver_last_failed_time > cnpg_pg_stat_archiver_last_archived_time", 15,
         f"Database {_DATABASE} cannot archive its WAL in the object store, so a restore would lose recent changes."),
        ("DatabaseBackupFailed", "warning",
         f"{_BARMAN}_failed_backup_timestamp > {_BARMAN}_available_backup_timestamp", 5,
         f"The last backup of database {_DATABASE} failed."),
    )),
    "loki": ("logs", (
        ("LogsRefused", "warning", f"{_REFUSED} > 0", 15,
         "For 15 minutes, Loki has answered requests to store logs with errors."),
    )),
    "velero": ("backups", (
        ("BackupFailed", "warning", 'velero_backup_last_status{schedule!=""} == 0', 15,
         "The last backup of the schedule {{ $labels.schedule }} failed or is incomplete."),
    )),
    "vector": ("collected-logs", (
        ("LogsLost", "warning", f"{_LOST} > 0", 15, "Vector's component {{ $labels.component_id }} discards logs."),
    )),
}  # fmt: skip
"""Alert rules of each layer, by layer key: the name of the rule group, and its alerts."""


def prometheus_rules(lab: LabContext, namespace: str) -> Iterator[Manifest]:
    """Yield the PrometheusRules for each enabled layer and for the etcd snapshots of K3s."""
    groups = [("snapshots", _snapshot_alerts(lab)), *(group for key, group in _ALERTS.items() if lab.is_enabled(key))]
    for name, alerts in groups:
        spec = {"groups": [{"name": name, "rules": [_rule(*alert) for alert in alerts]}]}
        metadata = {"name": name, "namespace": namespace}
        yield {"apiVersion": _GROUP, "kind": "PrometheusRule", "metadata": metadata, "spec": spec}


def database_pod_monitor(namespace: str) -> Manifest:
    """Build the PodMonitor that collects the metrics of PostgreSQL databases in the namespaces of apps."""
    spec = {
        "selector": {"matchLabels": {"cnpg.io/podRole": "instance"}},
        "namespaceSelector": {"any": True},
        "podMetricsEndpoints": [{"port": "metrics"}],
    }
    metadata = {"name": "databases", "namespace": namespace}
    return {"apiVersion": _GROUP, "kind": "PodMonitor", "metadata": metadata, "spec": spec}


def snapshot_metrics_values() -> dict[str, Json]:
    """Build the Helm values with which kube-state-metrics exports one metric for each etcd snapshot."""
    kind = {"group": "k3s.cattle.io", "version": "v1", "kind": "ETCDSnapshotFile"}
    created = {"type": "Gauge", "gauge": {"path": ["status", "creationTime"]}}
    resource = {
        "groupVersionKind": kind,
        "metricNamePrefix": "k3s_etcd_snapshot",
        "labelsFromPath": {"node": ["spec", "nodeName"], "ready": ["status", "readyToUse"]},
        "metrics": [{"name": "created", "help": "When it was taken.", "each": created}],
    }
    config = {"kind": "CustomResourceStateMetrics", "spec": {"resources": [resource]}}
    read_rule = {"apiGroups": [kind["group"]], "resources": ["etcdsnapshotfiles"], "verbs": ["list", "watch"]}
    return {"customResourceState": {"enabled": True, "config": config}, "rbac": {"extraRules": [read_rule]}}


def _snapshot_alerts(lab: LabContext) -> Iterator[Alert]:
    snapshots = lab.cluster.k3s.snapshots
    days = cron.longest_interval_days(snapshots.schedule) + 1
    locations = [("", "!=", "on a server")] + ([("Copy", "=", "in S3")] if snapshots.s3 else [])
    for name, sign, where in locations:
        # K3s also records failed snapshots, with a creation time
        metric, failed = (f'k3s_etcd_snapshot_created{{node{sign}"s3", ready="{each}"}}' for each in ("true", "false"))
        summary = f"There is no snapshot of etcd {where} that is younger than {days} days."
        expression = f"absent({metric}) or time() - max({metric}) > {days * 86400}"
        yield f"EtcdSnapshot{name}Missing", "warning", expression, 60, summary
        expression = f"max({failed}) > (max({metric}) or vector(0))"
        yield f"EtcdSnapshot{name}Failed", "warning", expression, 5, f"The last snapshot of etcd {where} failed."


def _rule(alert: str, severity: str, expression: str, minutes: int, summary: str) -> Json:
    labels, annotations = {"severity": severity}, {"summary": summary}
    return {"alert": alert, "expr": expression, "for": f"{minutes}m", "labels": labels, "annotations": annotations}
