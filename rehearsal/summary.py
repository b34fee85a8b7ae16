"""The summary at the end of `./homelab rehearse up`, and the status of the simulated machines."""

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from rehearsal import image_sources, web_uis
from rehearsal.image_sources import Choice, ImageSource
from rehearsal.lab import Lab
from rehearsal.paths import ONLINE_FILE
from rehearsal.session import Session
from rehearsal.web_uis import list_objects

MAX_SLOWEST = 5  # slowest resources in the table `Durations`


def show(console: Console, session: Session) -> None:
    """Print tables of real and simulated parts, durations, machines, nodes, Helm releases and apps, and next steps."""
    console.print(_real(session), _time(session))
    status(console, session.lab)
    nodes = json.loads(session.lab.kubectl("get", "nodes", "-o", "json"))["items"]
    console.print(_nodes(nodes))
    if session.settings.platform.enabled_layers():
        console.print(_layers(session.lab))
    for namespace in _app_namespaces(session):
        console.print(_app(session.lab, namespace))
    whole = sum(seconds for step, seconds in session.seconds.items() if step.startswith("pulumi up "))
    console.print(f"pulumi up took {whole:.0f} s in total", highlight=False)
    console.print(
        f"Next:   ./homelab rehearse kubectl --stack {session.lab.stack} -- get pods -A",
        f"        ./homelab rehearse ssh --stack {session.lab.stack} {next(iter(session.lab.machines))}",
        f"        ./homelab rehearse down --stack {session.lab.stack}",
        sep="\n",
        highlight=False,
    )
    for line in missing_images(session.lab):
        console.print(line, style="yellow", highlight=False, markup=False, soft_wrap=True)
    if host := _open(session):
        console.print(f"Web UI: ./homelab rehearse open --stack {session.lab.stack} {host}", highlight=False)


def _open(session: Session) -> str | None:
    """Return the host of a web UI that answers, preferably an app's host; None if no web UI answers."""
    apps = _app_namespaces(session)
    by_preference = sorted(web_uis.find_all(session.lab), key=lambda web_ui: web_ui.namespace not in apps)
    return next((web_ui.host for web_ui in by_preference if web_uis.answers(session.lab, web_ui)), None)


def status(console: Console, lab: Lab) -> None:
    """Print the simulated machines with their power state, SSH login and memory use."""
    table = _table(f"Lab of {lab.stack}", "machine", "role", "address", "power", "login", "memory")
    total = 0
    for machine in lab.machines.values():
        running = machine.running
        power = "on" if running else "off"
        total += machine.memory if running else 0
        table.add_row(
            machine.name,
            machine.spec.role,
            machine.spec.address,
            power,
            "yes" if running and machine.answers() else "no",
            f"{machine.memory >> 20} MiB" if running else "",
        )
    table.caption = f"{total >> 20} MiB in total"
    console.print(table)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", caption_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _real(session: Session) -> Table:
    table = _table("Real and simulated", "what", "real", "in this rehearsal")
    for tool in session.engine.tools.tools:
        table.add_row(tool.name, _yes(tool.official), tool.origin)
    for row in session.artefacts.rows:
        table.add_row(row.name, _yes(row.real), row.origin)
    for (origin, real), names in itertools.groupby(sorted(_origins(session.lab)), key=lambda image: image[0]):
        table.add_row(f"images {', '.join(name for _, name in names)}", _yes(real), origin)
    arches = sorted({machine.spec.arch for machine in session.lab.machines.values()})
    table.add_row(
        "machines", "no", f"containers with systemd and SSH, which report the architectures {', '.join(arches)}"
    )
    table.add_row("network", "no", "a network namespace with the LAN's addresses, without a route to other networks")
    for replacement in session.replacements:
        table.add_row(replacement.setting, "no", replacement.value)
    return table


def missing_images(lab: Lab) -> Iterator[str]:
    """Yield a message about each image that the lab could not pull, although it has Internet access."""
    if not json.loads((lab.folder / ONLINE_FILE).read_text()):
        return
    for name, choice in _images(lab):
        if choice.source is ImageSource.STAND_IN and choice.reason:
            yield (
                f"The containers of the image {name} only sleep, because {choice.reason}: "
                "delete their pods later, so that the rehearsal tries to pull the image again."
            )


def _images(lab: Lab) -> list[tuple[str, Choice]]:
    """Return the pods' images with their sources, except images that are on the machines' disks from the start."""
    recorded = image_sources.recorded(lab.folder / "server")
    return [(name, choice) for name, choice in sorted(recorded.items()) if choice.source is not ImageSource.MACHINE]


def _origins(lab: Lab) -> list[tuple[tuple[str, bool], str]]:
    """Return the origin and the name of each image of the pods."""
    state = lab.folder / "server"
    return [(image_sources.origin_of(name, choice, state), name) for name, choice in _images(lab)]


def _yes(real: bool) -> str:
    return "yes" if real else "no"


def _time(session: Session) -> Table:
    table = _table("Durations", "step", "seconds")
    for step, seconds in session.seconds.items():
        table.add_row(step, f"{seconds:.1f}")
        for resource, took in session.slowest.get(step.removeprefix("pulumi up "), ()):
            table.add_row(f"  {resource}", f"{took}")
    return table


def slowest_resources(log: Path) -> list[tuple[str, int]]:
    """Return the slowest Pulumi resources and their durations in whole seconds, from the engine's event log."""
    started: dict[str, int] = {}
    durations: dict[str, int] = {}
    for line in log.read_text().splitlines() if log.exists() else ():
        event = json.loads(line)
        for kind in ("resourcePreEvent", "resOutputsEvent", "resOpFailedEvent"):
            urn = event.get(kind, {}).get("metadata", {}).get("urn", "")
            if kind == "resourcePreEvent":
                started[urn] = event["timestamp"]
            elif urn in started:
                durations[urn] = event["timestamp"] - started[urn]
    # component resources are excluded, because a component's duration is the duration of its children
    by_name = {
        urn.rpartition("::")[2]: seconds for urn, seconds in durations.items() if ":components:" not in _type(urn)
    }
    return sorted(((n, s) for n, s in by_name.items() if s), key=lambda item: -item[1])[:MAX_SLOWEST]


def _type(urn: str) -> str:
    kinds = urn.split("::")[2:3]
    kind = kinds[0].rpartition("$")[2] if kinds else ""
    return ":components:" if kind == "pulumi:pulumi:Stack" else kind


def _nodes(nodes: Iterable[dict[str, Any]]) -> Table:
    table = _table("Cluster", "node", "ready", "etcd voter", "version")
    for node in nodes:
        conditions = {condition["type"]: condition["status"] for condition in node["status"]["conditions"]}
        version = node["status"]["nodeInfo"]["kubeletVersion"]
        voter = {"True": "yes", "False": "no"}.get(conditions.get("EtcdIsVoter", ""), "")
        table.add_row(node["metadata"]["name"], _yes(conditions.get("Ready") == "True"), voter, version)
    return table


def _layers(lab: Lab) -> Table:
    """Build a table of the Helm releases from the labels of Helm's Secrets."""
    table = _table("Platform", "release", "namespace", "status", "revision")
    records = list_objects(lab, "secrets", "--all-namespaces", "--selector=owner=helm")
    latest = {record["metadata"]["labels"]["name"]: record["metadata"] for record in sorted(records, key=_revision)}
    for name, release in sorted(latest.items()):
        table.add_row(name, release["namespace"], release["labels"]["status"], release["labels"]["version"])
    return table


def _revision(record: dict[str, Any]) -> int:
    return int(record["metadata"]["labels"]["version"])


def _app_namespaces(session: Session) -> list[str]:
    """Return the namespaces of all apps from the outputs of the app stacks."""
    stacks: list[Any] = [engine.outputs() for engine in session.apps]
    return [app["namespace"] for outputs in stacks for app in outputs.get("apps", {"": outputs}).values()]


def _app(lab: Lab, namespace: str) -> Table:
    """Build a table of an app's pods, database, certificate, hosts and address."""
    in_namespace = f"--namespace={namespace}"
    table = _table(f"App {namespace}", "kind", "name", "state")
    for item in list_objects(lab, "deployments,statefulsets", in_namespace):
        ready = item.get("status", {}).get("readyReplicas", 0)
        table.add_row("pods", item["metadata"]["name"], f"{ready} of {item['spec']['replicas']} ready")
    kinds = {item["metadata"]["name"] for item in list_objects(lab, "customresourcedefinitions")}
    for kind in ("clusters.postgresql.cnpg.io", "certificates.cert-manager.io"):
        for item in list_objects(lab, kind, in_namespace) if kind in kinds else ():
            status = item.get("status") or {}
            ready = next((c["status"] for c in status.get("conditions", ()) if c["type"] == "Ready"), "Unknown")
            table.add_row(item["kind"], item["metadata"]["name"], str(status.get("phase", f"Ready: {ready}")))
    for item in list_objects(lab, "ingresses", in_namespace):
        points = (item.get("status", {}).get("loadBalancer") or {}).get("ingress") or [{}]
        hosts = ", ".join(rule.get("host", "*") for rule in item["spec"]["rules"])
        table.add_row("hosts", hosts, f"at {points[0].get('ip', 'no address')}")
    return table
