"""Checks for conflicts between layers, and between layers and settings of the cluster."""

from collections.abc import Collection

from components.cluster.settings import ClusterSettings
from components.layers.shared import cni
from components.platform.layer import CatalogEntry, LabContext
from components.settings.errors import Findings
from stacks.catalog import LAYERS
from stacks.checks.load_balancers import load_balancer_findings
from stacks.platform_settings import PlatformSettings
from stacks.validation_errors import suggest_fix


def platform_findings(cluster: ClusterSettings, platform: PlatformSettings) -> Findings:
    """Yield all conflicts between settings under `homelab:platform`."""
    lab = platform.lab(cluster)
    yield from _discard(platform)
    yield from _charts(platform)
    yield from _further_charts(platform)
    yield from _pinned_mirror(lab, platform)
    yield from load_balancer_findings(LAYERS, lab, platform)
    yield from _all_nodes_tainted(lab, platform)
    yield from _kube_proxy_of_calico(lab, platform)
    for entry in LAYERS:
        if lab.is_enabled(entry.layer.key):
            yield from _requires(entry, lab)
            yield from _unused_values(entry, lab, platform)
            yield from _layer_problems(entry, lab)


def _discard(platform: PlatformSettings) -> Findings:
    keys = [entry.layer.key for entry in LAYERS if entry.layer.user_data]
    for index, key in enumerate(platform.discard):
        if key not in keys:
            yield ("discard", index), "is not a layer with user data", suggest_fix(key, keys)


def _charts(platform: PlatformSettings) -> Findings:
    known = list(platform.charts())
    enabled = [chart.name for entry in LAYERS if entry.layer.key in platform.enabled_layers() for chart in entry.charts]
    enabled += [chart.name for chart in platform.further_charts()]
    for key in ("versions", "pins", "values"):
        for name in getattr(platform, key):
            if name not in known:
                yield (key, name), "is not a chart of any layer", suggest_fix(name, known)
            elif key == "values" and name not in enabled:
                yield (key, name), "is a chart of a disabled layer", "leave it out, or add the layer"


def _further_charts(platform: PlatformSettings) -> Findings:
    """Yield an error if the settings of a layer use the name of a Helm chart that the catalog already has."""
    owners = {chart.name: entry.layer.key for entry in LAYERS for chart in entry.charts}
    for entry in LAYERS:
        settings = platform.enabled_layers().get(entry.layer.key)
        for chart in entry.layer.further_charts(settings) if settings else ():
            if chart.name in owners:
                reason = (
                    f"uses the chart name {chart.name}, which a chart of the layer {owners[chart.name]} already has"
                )
                yield (entry.layer.key,), reason, "use a chart with another name"


def _pinned_mirror(lab: LabContext, platform: PlatformSettings) -> Findings:
    """Yield an error if a mirror uses http:// for charts without pinned checksums, which attackers could replace."""
    mirror = platform.chart_mirror or ""
    missing = [name for entry in LAYERS if lab.is_enabled(entry.layer.key) for name in _unpinned(entry, lab)]
    if mirror.startswith("http://") and missing:
        reason = f"is http, but these charts are not pinned: {', '.join(missing)}"
        yield ("chartMirror",), reason, "pin the charts with `./homelab pin --official`, or use https"


def _unpinned(entry: CatalogEntry, lab: LabContext) -> list[str]:
    return [name for name in _installed(entry, lab) if name in lab.charts and lab.charts[name].sha256 is None]


def _installed(entry: CatalogEntry, lab: LabContext) -> Collection[str]:
    """Return the names of the Helm charts that an enabled layer installs."""
    return entry.layer(lab.layers[entry.layer.key], lab).values().keys()


def _requires(entry: CatalogEntry, lab: LabContext) -> Findings:
    for needed in entry.layer.requires:
        if not lab.is_enabled(needed):
            yield (entry.layer.key,), f"needs {needed}, which is off", f"add {needed}: {{}} beside it"


def _all_nodes_tainted(lab: LabContext, platform: PlatformSettings) -> Findings:
    """Yield an error if every node has taints that the pods of Helm charts do not tolerate.

    The check ignores CNI plugins, because they tolerate all taints. If the user's Helm values contain tolerations, the
    check accepts all taints.
    """
    layers = [entry for entry in LAYERS if lab.is_enabled(entry.layer.key) and entry.layer.key not in cni.LAYER_KEYS]
    charts = [name for entry in layers for name in _installed(entry, lab)]
    if charts and not lab.schedulable_nodes and "'tolerations'" not in str(platform.values):
        reason = f"has no node for its pods: all nodes have taints, which the pods of {charts[0]} do not tolerate"
        yield (), reason, "remove the taints of a node, use the effect PreferNoSchedule, or add an agent without taints"


def _kube_proxy_of_calico(lab: LabContext, platform: PlatformSettings) -> Findings:
    """Yield an error if kube-proxy is disabled, but the Helm values do not select Calico's eBPF data plane instead."""
    is_ebpf = "'linuxDataplane': 'BPF'" in str(platform.values.get("tigera-operator", {}))
    if lab.is_enabled("calico") and cni.is_kube_proxy_disabled(lab.cluster) and not is_ebpf:
        reason = f"needs kube-proxy for Services, but {cni.KUBE_PROXY_OPTION} disables kube-proxy"
        yield ("calico",), reason, f"remove {cni.KUBE_PROXY_OPTION} from k3s.serverOptions"


def _layer_problems(entry: CatalogEntry, lab: LabContext) -> Findings:
    for loc, reason, fix in entry.layer(lab.layers[entry.layer.key], lab).findings():
        yield (entry.layer.key, *loc), reason, fix


def _unused_values(entry: CatalogEntry, lab: LabContext, platform: PlatformSettings) -> Findings:
    installed = _installed(entry, lab)
    for name in (chart.name for chart in entry.charts if chart.name in platform.values):
        if name not in installed:
            yield ("values", name), "is a chart that this lab does not install with Helm", "leave it out"
