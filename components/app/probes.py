"""Probes of an app's containers."""

from components.app.probe_settings import AppProbeSettings, AppProbesSettings, AppWorkerProbesSettings
from components.app.settings import AppSettings
from components.kubernetes.manifest import Json

_DEFAULT_TIMEOUT = 1
"""Kubernetes' default of timeoutSeconds."""


def container_fields(probes: AppProbesSettings | AppWorkerProbesSettings, app: AppSettings) -> dict[str, Json]:
    """Return the fields of a container spec with the container's probes."""
    return {f"{name}Probe": _probe(probe, app) for name, probe in probes if probe is not None}


def _probe(probe: AppProbeSettings, app: AppSettings) -> Json:
    times = {
        "periodSeconds": probe.period,
        "failureThreshold": probe.failures,
        **({"initialDelaySeconds": probe.delay} if probe.delay else {}),
        **({"timeoutSeconds": probe.timeout} if probe.timeout != _DEFAULT_TIMEOUT else {}),
    }
    return _action(probe, app) | times


def _action(probe: AppProbeSettings, app: AppSettings) -> Json:
    if probe.command:
        return {"exec": {"command": list(probe.command)}}
    if probe.grpc:
        return {"grpc": {"port": probe.port or app.port}}  # a gRPC probe accepts no port name
    port = probe.port or "http"
    if not probe.path:
        return {"tcpSocket": {"port": port}}
    headers = [{"name": name, "value": value} for name, value in probe.http_headers.items()]
    return {
        "httpGet": {
            "path": probe.path,
            "port": port,
            **({"scheme": probe.scheme} if probe.scheme != "HTTP" else {}),
            **({"httpHeaders": headers} if headers else {}),
        }
    }
