"""Vector: brings the logs of pods and of the machines' journals to Loki."""

from collections.abc import Mapping

from components.fields import HostLabel, Switch
from components.layer import Layer, resources
from components.layers import loki
from components.manifest import Tree
from components.model import Model

_WAITING = 512 * 1024**2
"""Bytes of each kind that wait on a machine while Loki is away."""
_JOURNAL = """\
.program = .SYSLOG_IDENTIFIER || "unknown"
.message = .message || ""
"""


class VectorSettings(Model):
    """Vector: brings logs to Loki."""

    journals: Switch = True
    """Whether the journals of the machines are brought too."""
    exclude: tuple[HostLabel, ...] = ()
    """Namespaces whose pods' logs are not brought."""


class Vector(Layer[VectorSettings]):
    """Vector on every machine. What it read it remembers there, so that nothing comes twice."""

    key = "vector"
    settings_type = VectorSettings
    namespace = "vector"
    security = "privileged"  # it reads files of its machine
    requires = ("loki",)

    def values(self) -> Mapping[str, Tree]:
        """Return Vector; its variant for Debian alone has journalctl."""
        values: dict[str, Tree] = {
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
            "podMonitor": {"enabled": self.monitored},
            **_files(),
            "customConfig": self._configuration(),
        }
        return {"vector": values}

    def _configuration(self) -> Tree:
        sources: dict[str, Tree] = {"pods": self._pods(), "itself": {"type": "internal_metrics"}}
        sinks: dict[str, Tree] = {
            "prom_exporter": {"type": "prometheus_exporter", "inputs": ["itself"], "address": "0.0.0.0:9090"},
            "loki_pods": _loki("pods", namespace="kubernetes.pod_namespace", pod="kubernetes.pod_name",
                               container="kubernetes.container_name", node="kubernetes.pod_node_name"),
        }  # fmt: skip
        made = {
            "data_dir": "/vector-data-dir",
            "api": {"enabled": True, "address": "0.0.0.0:8686"},
            "sources": sources,
            "sinks": sinks,
        }
        if self.settings.journals:
            # boots before this one too: why a machine went down stands there
            sources["journal"] = {"type": "journald", "current_boot_only": False}
            sinks["loki_journals"] = _loki("journals", program="program", node="host")
            made["transforms"] = {"journals": {"type": "remap", "inputs": ["journal"], "source": _JOURNAL}}
        return made

    def _pods(self) -> Tree:
        names = [f"metadata.namespace!={name}" for name in self.settings.exclude]
        others = {"extra_field_selector": ",".join(names)} if names else {}
        return {"type": "kubernetes_logs", "glob_minimum_cooldown_ms": 5000, **others}


def _loki(source: str, **labels: str) -> Tree:
    """Send what comes from `source`, by labels that stand for fields."""
    return {
        "type": "loki",
        "inputs": [source],
        "endpoint": loki.URL,
        "encoding": {"codec": "text"},
        "labels": {"source": source, **{name: _field(path) for name, path in labels.items()}},
        "out_of_order_action": "accept",
        "buffer": {"type": "disk", "max_size": _WAITING, "when_full": "block"},
    }


def _field(path: str) -> str:
    """Return Vector's template for a field; the chart is itself a template, and must leave it alone."""
    return "{{ `{{ " + path + " }}` }}"


def _files() -> dict[str, Tree]:
    """The machine's logs, and its id, without which journalctl does not know which journal is its own."""
    places = {"logs": "/var/log", "journal": "/run/log/journal", "machine-id": "/etc/machine-id"}
    kinds = {"logs": "Directory", "journal": "DirectoryOrCreate", "machine-id": "File"}
    volumes = [{"name": name, "hostPath": {"path": path, "type": kinds[name]}} for name, path in places.items()]
    mounts = [{"name": name, "mountPath": path, "readOnly": True} for name, path in places.items()]
    return {"defaultVolumes": volumes, "defaultVolumeMounts": mounts}
