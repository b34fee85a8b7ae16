"""Vector, which sends the logs of pods and the journals of nodes to Loki."""

from collections.abc import Mapping

from components.kubernetes.manifest import Json
from components.layers import loki
from components.platform.layer import Layer, resources
from components.settings.fields import DnsLabel, StrictBool
from components.settings.model import Model

_BUFFER = 512 * 1024**2
"""Bytes of pod logs, and bytes of journals, that Vector buffers on each node while Loki is down."""
_JOURNAL = """\
.program = .SYSLOG_IDENTIFIER || "unknown"
.message = .message || ""
"""


class VectorSettings(Model):
    """Settings of Vector, which sends the logs of pods and nodes to Loki."""

    journals: StrictBool = True
    """Whether Vector also sends the systemd journals of the nodes to Loki."""
    exclude: tuple[DnsLabel, ...] = ()
    """Namespaces whose pod logs Vector does not send to Loki."""


class Vector(Layer[VectorSettings]):
    """Layer for Vector, which runs on every node and sends logs to Loki.

    Vector stores its read positions on the node, so a restarted Vector pod sends no log entry twice.
    """

    key = "vector"
    settings_type = VectorSettings
    namespace = "vector"
    pod_security = "privileged"  # Vector reads files of the host
    requires = ("loki",)

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values of Vector. Only Vector's Debian image contains journalctl."""
        values: dict[str, Json] = {
            "role": "Agent",
            "image": {"base": "debian"},
            "podPriorityClassName": "system-node-critical",
            "tolerations": [{"operator": "Exists"}],
            "resources": resources("50m", "256Mi"),
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            "readinessProbe": {"httpGet": {"path": "/health", "port": 8686}},
            "service": {"enabled": False},
            "serviceHeadless": {"enabled": False},
            "podMonitor": {"enabled": self.has_monitoring},
            **_files(),
            "customConfig": self._configuration(),
        }
        return {"vector": values}

    def _configuration(self) -> Json:
        sources: dict[str, Json] = {"pods": self._pods(), "itself": {"type": "internal_metrics"}}
        sinks: dict[str, Json] = {
            "prom_exporter": {"type": "prometheus_exporter", "inputs": ["itself"], "address": "0.0.0.0:9090"},
            "loki_pods": _loki("pods", namespace="kubernetes.pod_namespace", pod="kubernetes.pod_name",
                               container="kubernetes.container_name", node="kubernetes.pod_node_name"),
        }  # fmt: skip
        config = {
            "data_dir": "/vector-data-dir",
            "api": {"enabled": True, "address": "0.0.0.0:8686"},
            "sources": sources,
            "sinks": sinks,
        }
        if self.settings.journals:
            # journals of earlier boots are included, because the last entries before a reboot show why a machine failed
            sources["journal"] = {"type": "journald", "current_boot_only": False}
            sinks["loki_journals"] = _loki("journals", program="program", node="host")
            config["transforms"] = {"journals": {"type": "remap", "inputs": ["journal"], "source": _JOURNAL}}
        return config

    def _pods(self) -> Json:
        selectors = [f"metadata.namespace!={name}" for name in self.settings.exclude]
        field_selector = {"extra_field_selector": ",".join(selectors)} if selectors else {}
        return {"type": "kubernetes_logs", "glob_minimum_cooldown_ms": 5000, **field_selector}


def _loki(source: str, **labels: str) -> Json:
    """Return the Vector sink that sends the logs of `source` to Loki.

    `labels` maps names of Loki labels to fields of log entries.
    """
    return {
        "type": "loki",
        "inputs": [source],
        "endpoint": loki.URL,
        "encoding": {"codec": "text"},
        "labels": {"source": source, **{name: _field(path) for name, path in labels.items()}},
        "out_of_order_action": "accept",
        "buffer": {"type": "disk", "max_size": _BUFFER, "when_full": "block"},
    }


def _field(path: str) -> str:
    """Return Vector's template for a field, with escapes that protect the template from Helm."""
    return "{{ `{{ " + path + " }}` }}"


def _files() -> dict[str, Json]:
    """Return the mounts of the node's logs and of its machine ID, with which journalctl finds the node's journal."""
    paths = {"logs": "/var/log", "journal": "/run/log/journal", "machine-id": "/etc/machine-id"}
    types = {"logs": "Directory", "journal": "DirectoryOrCreate", "machine-id": "File"}
    volumes = [{"name": name, "hostPath": {"path": path, "type": types[name]}} for name, path in paths.items()]
    mounts = [{"name": name, "mountPath": path, "readOnly": True} for name, path in paths.items()]
    return {"defaultVolumes": volumes, "defaultVolumeMounts": mounts}
