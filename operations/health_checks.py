"""Runs the checks of `./homelab doctor`: on all machines concurrently, then on the cluster, then on each layer."""

from collections.abc import Callable, Iterator
from typing import TypedDict

from components.cluster.node import kernel_modules, packages
from components.layers.cert_manager.layer import CertManager
from components.layers.coredns import CorednsSettings
from components.layers.metallb.layer import MetalLB, MetalLBSettings
from components.platform.layer_resources import AnyLayer
from operations import machines
from operations.api import AccessDeniedError, Api, ApiError, NotFoundError, Object
from operations.checks import bgp, certificates, cluster, k3s, lan, layer, machine, snapshots, webhooks
from operations.checks.machine_state import MachineState
from operations.findings import Finding, Report, note, wrong
from operations.machine_facts import Facts
from operations.pulumi_stack import Stack, StackError
from stacks.checks.warnings import lab_warnings
from stacks.homelab import charts_of, host_requirements_of, layers_of
from stacks.settings import LabStack

_CERTIFICATES = ("/apis/cert-manager.io/v1/certificates", "/apis/acme.cert-manager.io/v1/challenges")
_WEBHOOKS = tuple(
    f"/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations" for kind in ("mutating", "validating")
)
_ENDPOINT_SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
_HELM = "labelSelector=owner%3Dhelm"


async def machine_reports(settings: LabStack, stack: Stack, on_result: Callable[[], object]) -> list[Report]:
    """Check every machine of the stack, and return one report per machine.

    Raises `StackError` if an SSH private key is missing, and `TaskError` if an SSH private key is invalid.
    """
    lab = settings.cluster
    host = host_requirements_of(layers_of(settings), settings.cluster)
    targets = [machines.from_node(node, lab) for node in lab.nodes]
    variables = [
        {
            "NODE": node.name,
            "ADDRESS": node.address,
            "INTERFACE": node.interface or "",
            "ROLE": node.role,
            "PACKAGES": " ".join(packages(lab, node, host)),
            "PORTS": " ".join(k3s.ports(node, lab)),
            "MODULES": " ".join(kernel_modules(lab, host)),
            "VIP": (lab.api.vip or "") if lab.api.by == "keepalived" else "",
        }
        for node in lab.nodes
    ]
    private_keys = machines.private_keys(targets, stack)
    results = await machines.run_script(targets, private_keys, "node/collect-facts.sh", variables, on_result)
    known = _platform_facts(settings)
    states = {
        node.name: MachineState(node, lab, Facts.parse(result.output), result, **known)
        for node, result in zip(lab.nodes, results, strict=True)
    }
    duplicates = machine.duplicate_machine_ids({name: state.facts for name, state in states.items()})
    shared = (duplicates, lan.virtual_ip_conflicts(states), lan.mtu_differences(states))
    return [
        Report("machine", name, tuple(_check_machine(state, *(findings.get(name) for findings in shared))))
        for name, state in states.items()
    ]


class _PlatformFacts(TypedDict):
    layers: frozenset[str]
    wildcard_zones: tuple[str, ...]
    layer_2: bool


def _platform_facts(settings: LabStack) -> _PlatformFacts:
    """Return what the checks of machines need to know about the platform."""
    context = settings.platform.lab(settings.cluster)
    coredns, metallb = context.settings_of(CorednsSettings), context.settings_of(MetalLBSettings)
    zones = coredns.zones.items() if coredns else ()
    return {
        "layers": frozenset(layer.key for layer in layers_of(settings)),
        "wildcard_zones": tuple(name for name, zone in zones if zone.wildcard),
        "layer_2": metallb is not None and not all(map(metallb.announced_by_bgp, metallb.all_pools())),
    }


def _check_machine(state: MachineState, *shared: Finding | None) -> Iterator[Finding]:
    """Yield the findings about a machine; `shared` contains findings that involve other machines."""
    if state.result.failure is not None:
        yield from machine.check_connection(state.node, state.result)
        return
    yield from machine.check(state)
    yield from filter(None, shared)


def chart_reports(settings: LabStack) -> list[Report]:
    """Report which Helm charts of the stack have a pinned checksum, without downloading the charts."""
    findings = [layer.check_pin(chart) for chart in charts_of(settings)]
    return [Report("platform", "charts", tuple(findings))] if findings else []


def settings_reports(settings: LabStack) -> list[Report]:
    """Report the settings of the stack file that are wrong in most labs."""
    warnings = lab_warnings(settings.cluster, settings.platform)
    findings = tuple(note("settings", f"{each.path}: {each.reason}", each.fix) for each in warnings)
    return [Report("cluster", "stack file", findings)] if findings else []


def cluster_reports(settings: LabStack, stack: Stack) -> list[Report]:
    """Check the cluster and its platform layers; without a kubeconfig, report why homelab cannot check the cluster."""
    name = settings.cluster.name
    try:
        outputs = stack.outputs()
    except StackError as error:
        return [
            Report(
                "cluster",
                name,
                (note("API", str(error), "run `pulumi stack output`, and fix the error that Pulumi prints"),),
            )
        ]
    if "kubeconfig" not in outputs:
        return [
            Report("cluster", name, (note("API", "there is no cluster yet", "run `pulumi up` to create the cluster"),))
        ]
    api = Api(str(outputs["kubeconfig"]))
    try:
        nodes = api.items("/api/v1/nodes")
        findings = [cluster.check_expiry(api.validity), *cluster.check(settings.cluster, nodes)]
        findings += snapshots.check(settings.cluster, _items_if_served(api, snapshots.PATH), nodes)
        findings += _check_webhooks(api)
    except AccessDeniedError as error:
        return [Report("cluster", name, (wrong("kubeconfig", error.reason, error.fix),))]
    except ApiError as error:
        fix = "check the servers: K3s must be active, and one server must hold the API's virtual IP"
        return [Report("cluster", name, (wrong("API", str(error), fix),))]
    return [
        Report("cluster", name, tuple(findings)),
        *(Report("layer", entry.key, tuple(_check_layer(entry, api))) for entry in layers_of(settings)),
    ]


def _check_webhooks(api: Api) -> Iterator[Finding]:
    configurations = [item for path in _WEBHOOKS for item in _items_if_served(api, path)]
    yield from webhooks.check_webhooks(configurations, _items_if_served(api, _ENDPOINT_SLICES))


def _check_layer(entry: AnyLayer, api: Api) -> Iterator[Finding]:
    namespace = f"/api/v1/namespaces/{entry.namespace}"
    try:
        if charts := entry.values():
            yield from layer.check_releases(charts, api.items(f"{namespace}/secrets?{_HELM}", names_only=True))
            pods = api.items(f"{namespace}/pods")
            yield from layer.check_pods(entry.namespace, pods)
            if isinstance(entry, MetalLB) and entry.settings.bgp:
                yield from bgp.check_sessions(entry.settings.bgp, pods, _items_if_served(api, bgp.SESSIONS))
        for manifest in entry.objects_after_charts():
            kind, metadata = manifest["kind"], manifest["metadata"]
            space = metadata.get("namespace", entry.namespace)
            yield layer.check_object(
                kind, metadata["name"], _if_exists(api.find, manifest["apiVersion"], kind, space, metadata["name"])
            )
        for word in entry.awaited_objects:
            kind, _, name = word.partition("/")
            yield layer.check_object(kind, name, _if_exists(api.find_by_reference, word, entry.namespace))
        if isinstance(entry, CertManager):
            yield from certificates.check_certificates(*(_items_if_served(api, path) for path in _CERTIFICATES))
    except ApiError as error:
        yield wrong(
            "API", str(error), "run `./homelab doctor` again; if the error remains, fix the problems of the cluster"
        )


def _if_exists(find: Callable[..., Object], *words: str) -> Object | None:
    try:
        return find(*words)
    except NotFoundError:
        return None


def _items_if_served(api: Api, path: str) -> list[Object]:
    try:
        return api.items(path)
    except NotFoundError:
        return []
