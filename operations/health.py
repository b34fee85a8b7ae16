"""What `./homelab doctor` looks at: every machine at once, then the cluster, then each layer."""

from collections.abc import Callable, Iterator

from components.installed import AnyLayer
from components.node import packages
from operations import machines
from operations.api import AbsentError, Api, ApiError, DeniedError, Object
from operations.checks import cluster, k3s, layer, machine
from operations.checks.seen import Seen
from operations.facts import Facts
from operations.findings import Finding, Report, note, wrong
from operations.stack import Stack, StackError
from stacks.homelab import charts_of, host_of, layers_of
from stacks.settings import Settings

_HELM = "labelSelector=owner%3Dhelm"


async def of_machines(settings: Settings, stack: Stack, answered: Callable[[], object]) -> list[Report]:
    """Look at every machine. Raises `StackError` and `TaskError` if there is no key to log in with."""
    lab = settings.cluster
    host = host_of(layers_of(settings), settings.cluster)
    reached = [machines.machine(node, lab) for node in lab.nodes]
    given = [
        {
            "ADDRESS": node.address,
            "INTERFACE": node.interface or "",
            "ROLE": node.role,
            "PACKAGES": " ".join(packages(lab, node, host)),
            "PORTS": " ".join(k3s.ports(node, lab)),
        }
        for node in lab.nodes
    ]
    answers = await machines.ask(reached, machines.keys(reached, stack), "doctor.sh", given, answered)
    seen = {
        node.name: Seen(node, lab, Facts.parse(answer.output), answer)
        for node, answer in zip(lab.nodes, answers, strict=True)
    }
    twins = machine.same_identity({name: each.facts for name, each in seen.items()})
    return [Report("machine", name, tuple(_of_machine(each, twins.get(name)))) for name, each in seen.items()]


def _of_machine(seen: Seen, twin: Finding | None) -> Iterator[Finding]:
    if seen.answer.failure is not None:
        yield from machine.unreachable(seen.node, seen.answer)
        return
    yield from machine.judge(seen)
    if twin:
        yield twin


def of_charts(settings: Settings) -> list[Report]:
    """Look whether the file's charts are pinned; nothing is fetched."""
    found = [layer.pinned(chart) for chart in charts_of(settings)]
    return [Report("platform", "charts", tuple(found))] if found else []


def of_cluster(settings: Settings, stack: Stack) -> list[Report]:
    """Look at the cluster and its layers, if there is one: without a kubeconfig there is nothing to look at."""
    name = settings.cluster.name
    try:
        outputs = stack.outputs()
    except StackError as error:
        return [
            Report("cluster", name, (note("API", str(error), "if `pulumi up` ran: make `pulumi stack output` work"),))
        ]
    if "kubeconfig" not in outputs:
        return [Report("cluster", name, (note("API", "there is no cluster yet", "`pulumi up` makes it"),))]
    api = Api(str(outputs["kubeconfig"]))
    try:
        found = [cluster.lasts(api.validity), *cluster.judge(settings.cluster, api.items("/api/v1/nodes"))]
    except DeniedError as error:
        return [Report("cluster", name, (wrong("kubeconfig", error.says, error.fix),))]
    except ApiError as error:
        fix = "look at the servers above: one of them must hold the address, and its K3s must be active"
        return [Report("cluster", name, (wrong("API", str(error), fix),))]
    return [
        Report("cluster", name, tuple(found)),
        *(Report("layer", each.key, tuple(_of_layer(each, api))) for each in layers_of(settings)),
    ]


def _of_layer(each: AnyLayer, api: Api) -> Iterator[Finding]:
    namespace = f"/api/v1/namespaces/{each.namespace}"
    try:
        if charts := each.values():
            yield from layer.releases(charts, api.items(f"{namespace}/secrets?{_HELM}", names_only=True))
            yield from layer.pods(each.namespace, api.items(f"{namespace}/pods"))
        for made in each.extend():
            kind, named = made["kind"], made["metadata"]
            place = named.get("namespace", each.namespace)
            yield layer.thing(kind, named["name"], _if_there(api.find, made["apiVersion"], kind, place, named["name"]))
        for word in each.appears:
            kind, _, name = word.partition("/")
            yield layer.thing(kind, name, _if_there(api.find_word, word, each.namespace))
    except ApiError as error:
        yield wrong("API", str(error), "run this again; if it stays so, look at the cluster's findings")


def _if_there(find: Callable[..., Object], *words: str) -> Object | None:
    try:
        return find(*words)
    except AbsentError:
        return None
