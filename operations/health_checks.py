"""Collects the reports of `./homelab doctor`: all machines concurrently, then the cluster, then each layer."""

from collections.abc import Callable, Iterator

from components.cluster.node import packages
from components.platform.layer_resources import AnyLayer
from operations import machines
from operations.api import AbsentError, Api, ApiError, DeniedError, Object
from operations.checks import cluster, k3s, layer, machine
from operations.checks.machine_state import Seen
from operations.findings import Finding, Report, note, wrong
from operations.machine_facts import Facts
from operations.pulumi_stack import Stack, StackError
from stacks.homelab import charts_of, host_of, layers_of
from stacks.settings import Settings

_HELM = "labelSelector=owner%3Dhelm"


async def of_machines(settings: Settings, stack: Stack, answered: Callable[[], object]) -> list[Report]:
    """Check every machine. Raises `StackError` or `TaskError` without a usable SSH private key."""
    lab = settings.cluster
    host = host_of(layers_of(settings), settings.cluster)
    targets = [machines.machine(node, lab) for node in lab.nodes]
    variables = [
        {
            "ADDRESS": node.address,
            "INTERFACE": node.interface or "",
            "ROLE": node.role,
            "PACKAGES": " ".join(packages(lab, node, host)),
            "PORTS": " ".join(k3s.ports(node, lab)),
        }
        for node in lab.nodes
    ]
    answers = await machines.ask(targets, machines.keys(targets, stack), "node/collect-facts.sh", variables, answered)
    seen = {
        node.name: Seen(node, lab, Facts.parse(answer.output), answer)
        for node, answer in zip(lab.nodes, answers, strict=True)
    }
    duplicates = machine.same_identity({name: state.facts for name, state in seen.items()})
    return [Report("machine", name, tuple(_of_machine(state, duplicates.get(name)))) for name, state in seen.items()]


def _of_machine(seen: Seen, duplicate: Finding | None) -> Iterator[Finding]:
    if seen.answer.failure is not None:
        yield from machine.unreachable(seen.node, seen.answer)
        return
    yield from machine.judge(seen)
    if duplicate:
        yield duplicate


def of_charts(settings: Settings) -> list[Report]:
    """Check that the checksum of every chart is pinned; fetches nothing."""
    findings = [layer.pinned(chart) for chart in charts_of(settings)]
    return [Report("platform", "charts", tuple(findings))] if findings else []


def of_cluster(settings: Settings, stack: Stack) -> list[Report]:
    """Check the cluster and its layers; without a kubeconfig, report why they cannot be checked."""
    name = settings.cluster.name
    try:
        outputs = stack.outputs()
    except StackError as error:
        return [
            Report("cluster", name, (note("API", str(error), "after `pulumi up`: make `pulumi stack output` work"),))
        ]
    if "kubeconfig" not in outputs:
        return [Report("cluster", name, (note("API", "there is no cluster yet", "run `pulumi up` to create it"),))]
    api = Api(str(outputs["kubeconfig"]))
    try:
        findings = [cluster.lasts(api.validity), *cluster.judge(settings.cluster, api.items("/api/v1/nodes"))]
    except DeniedError as error:
        return [Report("cluster", name, (wrong("kubeconfig", error.says, error.fix),))]
    except ApiError as error:
        fix = "see the findings about the servers: one of them must have the virtual IP, and its K3s must be active"
        return [Report("cluster", name, (wrong("API", str(error), fix),))]
    return [
        Report("cluster", name, tuple(findings)),
        *(Report("layer", each.key, tuple(_of_layer(each, api))) for each in layers_of(settings)),
    ]


def _of_layer(each: AnyLayer, api: Api) -> Iterator[Finding]:
    namespace = f"/api/v1/namespaces/{each.namespace}"
    try:
        if charts := each.values():
            yield from layer.releases(charts, api.items(f"{namespace}/secrets?{_HELM}", names_only=True))
            yield from layer.pods(each.namespace, api.items(f"{namespace}/pods"))
        for manifest in each.extend():
            kind, metadata = manifest["kind"], manifest["metadata"]
            space = metadata.get("namespace", each.namespace)
            yield layer.thing(
                kind, metadata["name"], _if_exists(api.find, manifest["apiVersion"], kind, space, metadata["name"])
            )
        for word in each.appears:
            kind, _, name = word.partition("/")
            yield layer.thing(kind, name, _if_exists(api.find_word, word, each.namespace))
    except ApiError as error:
        yield wrong("API", str(error), "run the command again; if it fails again, see the cluster's findings")


def _if_exists(find: Callable[..., Object], *words: str) -> Object | None:
    try:
        return find(*words)
    except AbsentError:
        return None
