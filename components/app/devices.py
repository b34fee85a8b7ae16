"""Devices and GPUs of an app's container, and the node that has the app's devices and hostPath volumes."""

from collections.abc import Iterator

from components.app import volumes
from components.app.settings import AppSettings
from components.kubernetes.manifest import Json
from components.layers import gpu as nvidia

_GPU_RESOURCES = {"nvidia": nvidia.RESOURCE, "intel": "gpu.intel.com/i915", "amd": "amd.com/gpu"}
"""Extended resources of the vendors' device plugins."""


def required_node(app: AppSettings) -> str | None:
    """Return the node to which a hostPath volume or a device pins the app's pods, or None."""
    nodes = (device.node for device in app.devices if device.node)
    return volumes.host_path_node(app) or next(nodes, None)


def exclusive_settings(app: AppSettings) -> list[str]:
    """Return the settings of the app's devices that at most one pod may use."""
    return [f"devices[{index}]" for index, device in enumerate(app.devices) if not device.shared]


def for_pods(app: AppSettings) -> Iterator[Json]:
    """Yield a hostPath volume for each device of the app."""
    for index, device in enumerate(app.devices):
        yield {"name": f"device-{index}", "hostPath": {"path": device.path, "type": device.host_path_type}}


def mounts(app: AppSettings) -> list[Json]:
    """Return a volumeMount for each device of the app."""
    return [{"name": f"device-{index}", "mountPath": device.container_path} for index, device in enumerate(app.devices)]


def gpu_resource(app: AppSettings) -> str | None:
    """Return the name of the extended resource for the app's GPUs, such as nvidia.com/gpu."""
    return _GPU_RESOURCES[app.gpu.vendor] if app.gpu else None


def gpu_limits(app: AppSettings) -> dict[str, Json]:
    """Return the resource limits of the app's container for its GPUs."""
    resource = gpu_resource(app)
    return {resource: app.gpu.count} if app.gpu and resource else {}


def gpu_pod_fields(app: AppSettings) -> dict[str, Json]:
    """Return the pod spec's RuntimeClass, without which NVIDIA's driver is missing in the container."""
    return {"runtimeClassName": nvidia.RUNTIME_CLASS} if app.gpu and app.gpu.vendor == "nvidia" else {}


def gpu_labels(app: AppSettings) -> dict[str, str]:
    """Return the labels by which the app selects nodes with a GPU, or no labels if the platform does not label such
    nodes."""
    return dict(nvidia.NODE_LABELS) if app.gpu and app.gpu.vendor == "nvidia" else {}
