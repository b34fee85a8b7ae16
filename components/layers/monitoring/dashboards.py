"""Grafana dashboards for layers.

The chart kube-prometheus-stack already contains dashboards for machines and Kubernetes.
"""

import json
from collections.abc import Iterator, Mapping

from components.kubernetes.manifest import Json, Manifest
from components.platform.layer import LabContext

Panel = tuple[str, str, str, str]
"""A Grafana panel: its title, unit, PromQL expression and legend format."""
_WIDE, _HIGH = 12, 8
_RATE = "[$__rate_interval]"


def _percentile_95(metric: str, by: str) -> str:
    return f"histogram_quantile(0.95, sum by (le, {by}) (rate({metric}_bucket{_RATE})))"


_BOARDS: Mapping[str, tuple[str, tuple[Panel, ...]]] = {
    "metallb": ("MetalLB", (
        ("Addresses in use", "short", "sum by (pool) (metallb_allocator_addresses_in_use_total)", "{{pool}}"),
        ("Addresses there are", "short", "sum by (pool) (metallb_allocator_addresses_total)", "{{pool}}"),
    )),
    "certManager": ("Certificates", (
        ("Time until they expire", "s", "certmanager_certificate_expiration_timestamp_seconds - time()",
         "{{exported_namespace}}/{{name}}"),
        ("Not ready", "short", 'certmanager_certificate_ready_status{condition!="True"}',
         "{{exported_namespace}}/{{name}}: {{condition}}"),
    )),
    "traefik": ("Traefik", (
        ("Requests", "reqps", f"sum by (entrypoint, code) (rate(traefik_entrypoint_requests_total{_RATE}))",
         "{{entrypoint}} {{code}}"),
        ("Slow requests (95 %)", "s", _percentile_95("traefik_entrypoint_request_duration_seconds", "entrypoint"),
         "{{entrypoint}}"),
        ("Requests by app", "reqps", f"sum by (exported_service) (rate(traefik_service_requests_total{_RATE}))",
         "{{exported_service}}"),
        ("Connections", "short", "sum by (entrypoint) (traefik_open_connections)", "{{entrypoint}}"),
    )),
    "longhorn": ("Longhorn", (
        ("Disks: in use", "percentunit", "longhorn_disk_usage_bytes / longhorn_disk_capacity_bytes",
         "{{node}} {{disk}}"),
        ("Volumes: in use", "bytes", "longhorn_volume_actual_size_bytes", "{{pvc_namespace}}/{{pvc}}"),
        ("Read", "Bps", "longhorn_volume_read_throughput", "{{pvc_namespace}}/{{pvc}}"),
        ("Written", "Bps", "longhorn_volume_write_throughput", "{{pvc_namespace}}/{{pvc}}"),
    )),
    "cloudnativePg": ("Databases", (
        ("Connections", "short", "sum by (namespace, pod) (cnpg_backends_total)", "{{namespace}}/{{pod}}"),
        ("Size", "bytes", "max by (namespace, datname) (cnpg_pg_database_size_bytes)", "{{namespace}}/{{datname}}"),
        ("Transactions", "ops",
         f"sum by (namespace, pod) (rate(cnpg_pg_stat_database_xact_commit{_RATE}))", "{{namespace}}/{{pod}}"),
        ("Behind the primary one", "s", "cnpg_pg_replication_lag", "{{namespace}}/{{pod}}"),
    )),
    "argocd": ("ArgoCD", (
        ("Applications", "short", "sum by (sync_status) (argocd_app_info)", "{{sync_status}}"),
        ("Health", "short", "sum by (health_status) (argocd_app_info)", "{{health_status}}"),
        ("Syncs", "ops", f"sum by (name, phase) (rate(argocd_app_sync_total{_RATE}))", "{{name}} {{phase}}"),
        ("Requests to Git", "reqps", f"sum by (repo) (rate(argocd_git_request_total{_RATE}))", "{{repo}}"),
    )),
    "loki": ("Loki", (
        ("Logs taken", "Bps", f"sum(rate(loki_distributor_bytes_received_total{_RATE}))", "bytes"),
        ("Lines taken", "ops", f"sum(rate(loki_distributor_lines_received_total{_RATE}))", "lines"),
        ("Logs refused", "ops", f"sum by (reason) (rate(loki_discarded_samples_total{_RATE}))", "{{reason}}"),
        ("Slow requests (95 %)", "s", _percentile_95("loki_request_duration_seconds", "route"), "{{route}}"),
    )),
    "tempo": ("Tempo", (
        ("Spans taken", "ops", f"sum(rate(tempo_distributor_spans_received_total{_RATE}))", "spans"),
        ("Spans refused", "ops", f"sum by (reason) (rate(tempo_discarded_spans_total{_RATE}))", "{{reason}}"),
    )),
    "argoRollouts": ("Rollouts", (
        ("Rollouts", "short", "sum by (exported_namespace, name, phase) (rollout_info)",
         "{{exported_namespace}}/{{name}} {{phase}}"),
        ("Failed questions", "short", 'sum by (exported_namespace, name) (analysis_run_info{phase=~"Failed|Error"})',
         "{{exported_namespace}}/{{name}}"),
    )),
    "velero": ("Velero", (
        ("Time since the last whole backup", "s",
         'time() - max by (schedule) (velero_backup_last_successful_timestamp{schedule!=""})', "{{schedule}}"),
        ("Backups that failed", "short",
         "sum by (schedule) (velero_backup_failure_total + velero_backup_partial_failure_total)", "{{schedule}}"),
    )),
    "vector": ("Vector", (
        ("Read", "ops", f"sum by (component_id) (rate(vector_component_received_events_total{_RATE}))",
         "{{component_id}}"),
        ("Errors", "ops", f"sum by (component_id) (rate(vector_component_errors_total{_RATE}))", "{{component_id}}"),
    )),
}  # fmt: skip
"""Grafana dashboard of each layer, by layer key: the title and the panels."""


def config_maps(lab: LabContext, namespace: str) -> Iterator[Manifest]:
    """Yield a ConfigMap with a Grafana dashboard for each enabled layer that exports metrics."""
    for key, (title, panels) in _BOARDS.items():
        if lab.is_enabled(key):
            name = title.lower()
            metadata = {"name": f"dashboard-{name}", "namespace": namespace, "labels": {"grafana_dashboard": "1"}}
            data = {f"{name}.json": json.dumps(_board(title, name, panels))}
            yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _board(title: str, name: str, panels: tuple[Panel, ...]) -> Json:
    return {
        "title": title,
        "uid": f"homelab-{name}",
        "tags": ["homelab"],
        "schemaVersion": 39,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "1m",
        "panels": [_panel(index, *panel) for index, panel in enumerate(panels)],
    }


def _panel(index: int, title: str, unit: str, expression: str, legend: str) -> Json:
    position = {"x": index % 2 * _WIDE, "y": index // 2 * _HIGH, "w": _WIDE, "h": _HIGH}
    return {
        "id": index + 1,
        "type": "timeseries",
        "title": title,
        "datasource": {"type": "prometheus", "uid": "prometheus"},
        "gridPos": position,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [{"refId": "A", "expr": expression, "legendFormat": legend}],
    }
