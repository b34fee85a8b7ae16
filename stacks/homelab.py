"""Pulumi program of a lab stack, which deploys the cluster and the platform, and exports outputs for app stacks."""

from collections.abc import Mapping, Sequence
from functools import partial, reduce

import pulumi

from components.app import rights
from components.app.security import allowed_levels
from components.cluster.cluster import Cluster
from components.cluster.host_requirements import NO_REQUIREMENTS, HostRequirements
from components.cluster.k3s import config
from components.cluster.kubeconfig import Kubeconfig
from components.cluster.settings import ClusterSettings, NodeSettings
from components.kubernetes.chart import Chart
from components.kubernetes.manifest import Json, resolve_secrets
from components.platform.chart_values import merge_values
from components.platform.layer_resources import AnyLayer
from components.platform.object_store import ObjectStoreSettings
from components.platform.platform import Platform
from stacks import catalog
from stacks.checks.warnings import lab_warnings
from stacks.outputs import PlatformOutputs
from stacks.settings import LabStack
from stacks.version import VERSION

NFS_CLIENT = HostRequirements(packages=("nfs-common",), modules=("nfs",))
"""apt packages and kernel modules that machines need to mount NFS shares."""
LOCAL_STORAGE_CLASS = "local-path"
"""StorageClass that K3s provides."""


def deploy() -> None:
    """Deploy the lab: read and check its settings, and declare its Pulumi resources."""
    settings = LabStack.load()
    layers = layers_of(settings)
    if unpinned := [chart for chart in charts_of(settings) if chart.sha256 is None]:
        names = ", ".join(f"{chart.name} {chart.version}" for chart in unpinned)
        pulumi.log.warn(
            f"These charts are not pinned: {names}. Chart repositories can replace unpinned archives at any time. "
            "`./homelab pin` writes the missing checksums into the stack file."
        )
    for warning in lab_warnings(settings.cluster, settings.platform):
        pulumi.log.warn(str(warning))
    flags = [f"discard-{key}" for key in settings.platform.discard]
    flags += [f"discard-node-{name}" for name in settings.cluster.discard]
    packaged = [component for layer in layers for component in layer.replaces_packaged]
    cluster_settings = settings.cluster.with_disabled(packaged).with_node_labels(lambda node: _labels(layers, node))
    reserved = [name for entry in catalog.LAYERS for name in entry.namespaces]
    apps = settings.cluster.apps
    app_rights = partial(
        rights.for_app_stacks, max_level=apps.pod_security, reserved=reserved, readers=apps.cluster_read
    )
    cluster = Cluster(
        cluster_settings, catalog.KUBE_VIP_IMAGE, app_rights, host_requirements_of(layers, settings.cluster), flags
    )
    platform = Platform(layers, settings.platform.charts(), cluster.access, settings.platform.values)
    cluster.mark_on_destroy([platform])
    backups = settings.platform.lab(settings.cluster).object_store(None, "apps")
    _outputs(cluster_settings, cluster.app_kubeconfig, layers, backups).export()
    pulumi.export("kubeconfig", cluster.kubeconfig)  # administrator credentials, which no app stack reads


def _labels(layers: Sequence[AnyLayer], node: NodeSettings) -> dict[str, str]:
    return {key: value for layer in layers for key, value in layer.node_labels(node).items()}


def layers_of(settings: LabStack) -> list[AnyLayer]:
    """Return the enabled layers."""
    lab = settings.platform.lab(settings.cluster)
    return [
        entry.layer(lab.layers[entry.layer.key], lab) for entry in catalog.LAYERS if lab.is_enabled(entry.layer.key)
    ]


def charts_of(settings: LabStack) -> list[Chart]:
    """Return the Helm charts that the enabled layers install."""
    charts = settings.platform.charts()
    return [charts[name] for layer in layers_of(settings) for name in layer.values()]


def chart_values_of(settings: LabStack) -> dict[str, Mapping[str, Json]]:
    """Return the Helm values of all charts by chart name. Values from the stack file override values from layers."""
    overrides = settings.platform.values
    layers = (layer.values().items() for layer in layers_of(settings))
    return {name: merge_values(defaults, overrides.get(name, {})) for values in layers for name, defaults in values}


def host_requirements_of(layers: Sequence[AnyLayer], cluster: ClusterSettings) -> HostRequirements:
    """Return the apt packages and kernel modules that layers and apps need on every machine."""
    return reduce(
        lambda all_, layer: all_ | layer.host_requirements, layers, NFS_CLIENT if cluster.apps.nfs else NO_REQUIREMENTS
    )


def _outputs(
    cluster: ClusterSettings, apps: Kubeconfig, layers: Sequence[AnyLayer], backups: ObjectStoreSettings | None
) -> PlatformOutputs:
    """Return the stack outputs for app stacks, from settings of the cluster and from outputs of the layers."""
    nodes = [_node(node) for node in cluster.nodes]
    outputs: dict[str, Json] = {
        "name": cluster.name,
        "domain": cluster.domain,
        "endpoint": f"https://{config.api_endpoint(cluster)}",
        "app_kubeconfig": apps.text,
        "app_user": apps.user,
        "nodes": nodes,
        "cluster_networks": [*cluster.network.pods, *cluster.network.services],
        "pod_security_levels": allowed_levels(cluster.apps.pod_security),
        "nfs_client": cluster.apps.nfs,
        "volume_backup": backups.output() if backups else None,
        "cluster_readers": list(cluster.apps.cluster_read),
        "version": VERSION,
        "monitoring": any(layer.key == "monitoring" for layer in layers),
        **_packaged_storage(cluster),
        **({"load_balancer_addresses": _addresses(cluster)} if cluster.k3s.servicelb else {}),
    }
    for name, value in (output for layer in layers for output in layer.outputs().items()):
        outputs[name] = [*outputs.get(name, ()), *value] if isinstance(value, list) else value
    return PlatformOutputs(
        **{name: pulumi.Output.from_input(resolve_secrets(value)) for name, value in outputs.items()}
    )


def _node(node: NodeSettings) -> dict[str, Json]:
    required = {"name": node.name, "role": node.role, "address": node.address}
    optional = {"arch": node.arch} if node.arch else {}  # Pulumi drops None from outputs
    return {**required, **optional, "labels": dict(node.labels), "taints": list(node.taints)}


def _addresses(cluster: ClusterSettings) -> list[str]:
    """Return the addresses at which clients reach Services through K3s' ServiceLB."""
    return [address for node in cluster.nodes for address in node.addresses]


def _packaged_storage(cluster: ClusterSettings) -> dict[str, Json]:
    """Return the stack outputs that describe local-storage, a packaged component of K3s.

    The outputs of storage layers, such as Longhorn, override the outputs of local-storage.
    """
    if "local-storage" in cluster.k3s.disable:
        return {}
    return {
        "storage_classes": [LOCAL_STORAGE_CLASS],
        "storage_class": LOCAL_STORAGE_CLASS,
        "database_storage_class": LOCAL_STORAGE_CLASS,
    }
