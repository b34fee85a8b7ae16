"""What a rehearsal tells its user at the end."""

import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from rehearsal import ladder, pages
from rehearsal.lab import Lab
from rehearsal.ladder import Rung
from rehearsal.pages import objects
from rehearsal.pulumi import Engine
from rehearsal.session import Session

LONGEST = 5  # resources in the list of where time went


def show(console: Console, session: Session) -> None:
    """Where time went, what was real, how the cluster is, and how to go on."""
    console.print(_real(session), _time(session))
    status(console, session.lab)
    nodes = json.loads(session.lab.kubectl("get", "nodes", "-o", "json"))["items"]
    console.print(_nodes(nodes))
    if session.settings.platform.layers():
        console.print(_layers(session.lab))
    for engine in session.apps:
        console.print(_app(session.lab, engine))
    whole = sum(seconds for step, seconds in session.seconds.items() if step.startswith("pulumi up "))
    console.print(f"From bare machines to all of this: {whole:.0f} s of pulumi up", highlight=False)
    console.print(
        f"Go on:  ./homelab rehearse kubectl --stack {session.lab.stack} -- get pods -A",
        f"        ./homelab rehearse ssh --stack {session.lab.stack} {next(iter(session.lab.machines))}",
        f"        ./homelab rehearse down --stack {session.lab.stack}",
        sep="\n",
        highlight=False,
    )
    if host := _open(session):
        console.print(f"See it: ./homelab rehearse open --stack {session.lab.stack} {host}", highlight=False)


def _open(session: Session) -> str | None:
    """The name of a page that answers, of an app if there is one."""
    apps = {engine.outputs()["namespace"] for engine in session.apps}
    found = sorted(pages.found(session.lab), key=lambda page: page.namespace not in apps)
    return next((page.host for page in found if pages.answers(session.lab, page)), None)


def status(console: Console, lab: Lab) -> None:
    """The machines of a lab, and the memory they hold."""
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
    table.caption = f"{total >> 20} MiB in all"
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
        table.add_row(row.what, _yes(row.real), row.origin)
    for found, names in itertools.groupby(sorted(_images(session), key=_rung), key=_rung):
        table.add_row(f"images {', '.join(name for name, _ in names)}", _yes(found is not Rung.STAND_IN), found)
    arches = sorted({machine.spec.arch for machine in session.lab.machines.values()})
    table.add_row("machines", "no", f"containers of this computer with systemd, SSH and {', '.join(arches)} by name")
    table.add_row("network", "no", "a namespace with the lan's addresses and no way out")
    for replacement in session.replacements:
        table.add_row(replacement.what, "no", replacement.instead)
    return table


def _images(session: Session) -> list[tuple[str, Rung]]:
    """Images that pods asked for, without those that the machines had from the beginning."""
    found = ladder.decided(session.lab.folder / "server")
    return [(name, each) for name, each in sorted(found.items()) if each is not Rung.MACHINE]


def _rung(image: tuple[str, Rung]) -> Rung:
    return image[1]


def _yes(real: bool) -> str:
    return "yes" if real else "no"


def _time(session: Session) -> Table:
    table = _table("Where time went", "step", "seconds")
    for step, seconds in session.seconds.items():
        table.add_row(step, f"{seconds:.1f}")
        for resource, took in session.slowest.get(step.removeprefix("pulumi up "), ()):
            table.add_row(f"  {resource}", f"{took}")
    return table


def slowest(log: Path) -> list[tuple[str, int]]:
    """The resources that took most time, by the engine's log of events, whose clock has whole seconds."""
    began: dict[str, int] = {}
    took: dict[str, int] = {}
    for line in log.read_text().splitlines() if log.exists() else ():
        event = json.loads(line)
        for kind in ("resourcePreEvent", "resOutputsEvent", "resOpFailedEvent"):
            urn = event.get(kind, {}).get("metadata", {}).get("urn", "")
            if kind == "resourcePreEvent":
                began[urn] = event["timestamp"]
            elif urn in began:
                took[urn] = event["timestamp"] - began[urn]
    # of components only what they are made of counts
    found = {urn.rpartition("::")[2]: seconds for urn, seconds in took.items() if ":components:" not in _type(urn)}
    return sorted(((n, s) for n, s in found.items() if s), key=lambda item: -item[1])[:LONGEST]


def _type(urn: str) -> str:
    kinds = urn.split("::")[2:3]
    kind = kinds[0].rpartition("$")[2] if kinds else ""
    return ":components:" if kind == "pulumi:pulumi:Stack" else kind


def _nodes(nodes: Iterable[dict[str, Any]]) -> Table:
    table = _table("Cluster", "node", "ready", "etcd voter", "version")
    for node in nodes:
        conditions = {each["type"]: each["status"] for each in node["status"]["conditions"]}
        version = node["status"]["nodeInfo"]["kubeletVersion"]
        voter = {"True": "yes", "False": "no"}.get(conditions.get("EtcdIsVoter", ""), "")
        table.add_row(node["metadata"]["name"], _yes(conditions.get("Ready") == "True"), voter, version)
    return table


def _layers(lab: Lab) -> Table:
    """Helm's releases, by the labels of its records."""
    table = _table("Platform", "release", "namespace", "status", "chart's revision")
    records = objects(lab, "secrets", "--all-namespaces", "--selector=owner=helm")
    latest = {each["metadata"]["labels"]["name"]: each["metadata"] for each in sorted(records, key=_revision)}
    for name, found in sorted(latest.items()):
        table.add_row(name, found["namespace"], found["labels"]["status"], found["labels"]["version"])
    return table


def _revision(record: dict[str, Any]) -> int:
    return int(record["metadata"]["labels"]["version"])


def _app(lab: Lab, engine: Engine) -> Table:
    """What an app came to: its pods, its database, its certificate, its address."""
    outputs = engine.outputs()
    here = f"--namespace={outputs['namespace']}"
    table = _table(f"App {engine.stack}", "what", "name", "is")
    for each in objects(lab, "deployments,statefulsets", here):
        ready = each.get("status", {}).get("readyReplicas", 0)
        table.add_row("pods", each["metadata"]["name"], f"{ready} of {each['spec']['replicas']} ready")
    kinds = {each["metadata"]["name"] for each in objects(lab, "customresourcedefinitions")}
    for kind in ("clusters.postgresql.cnpg.io", "certificates.cert-manager.io"):
        for each in objects(lab, kind, here) if kind in kinds else ():
            status = each.get("status") or {}
            ready = next((c["status"] for c in status.get("conditions", ()) if c["type"] == "Ready"), "Unknown")
            table.add_row(each["kind"], each["metadata"]["name"], str(status.get("phase", f"Ready: {ready}")))
    for each in objects(lab, "ingresses", here):
        found = (each.get("status", {}).get("loadBalancer") or {}).get("ingress") or [{}]
        hosts = ", ".join(rule["host"] for rule in each["spec"]["rules"])
        table.add_row("hosts", hosts, f"at {found[0].get('ip', 'no address')}")
    return table
