"""`./homelab snapshot`: takes a snapshot of etcd, or lists all snapshots."""

import asyncio
import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from operations import snapshot_catalog
from operations.cluster_access import ClusterAccess
from operations.console import AsJson, console, report_errors, say, stderr
from operations.pulumi_stack import Stack, StackFile, StackName
from operations.snapshot_catalog import NAME_PATTERN, S3, Snapshot, SnapshotError, SnapshotInventory
from provider.download import sha256_of
from provider.ssh.connections import no_progress, render_script

SNAPSHOT_FOLDER = "/var/lib/rancher/k3s/server/db/snapshots"


def snapshot(
    *,
    stack: StackName = "homelab",
    listing: Annotated[bool, typer.Option("--list", help="List all snapshots without taking a snapshot.")] = False,
    name: Annotated[
        str, typer.Option(help="Prefix of the snapshot's name; K3s appends the node name and the time.")
    ] = "on-demand",
    save: Annotated[Path | None, typer.Option(help="Local folder to copy the snapshot to.", file_okay=False)] = None,
    as_json: AsJson = False,
    config_file: StackFile = None,
) -> None:
    """Take an etcd snapshot on one server, which also uploads the snapshot to S3 if k3s.snapshots.s3 is set."""
    if not NAME_PATTERN.fullmatch(name):
        raise typer.BadParameter("use letters, digits, dots, dashes and underscores", param_hint="--name")
    with report_errors():
        access = ClusterAccess.of(Stack(stack, config_file))
        taken = None if listing else asyncio.run(_take(access, name, save))
        inventory = asyncio.run(snapshot_catalog.list_snapshots(access))
        shown = [entry for entry in inventory.snapshots if listing or entry.name == taken]
        _show(inventory, shown, as_json=as_json)
        if listing and not inventory.reachable_servers and not shown:
            raise typer.Exit(1)


async def _take(access: ClusterAccess, label: str, folder: Path | None) -> str:
    inventory = await snapshot_catalog.list_snapshots(access)
    if not inventory.ready_servers:
        causes = [server.cause or f"{server.name}: K3s is {server.k3s}" for server in inventory.servers]
        raise SnapshotError(
            "\n".join(("homelab cannot take a snapshot, because no server has a ready Kubernetes API:", *causes))
        )
    server = inventory.ready_servers[0]
    name = await snapshot_catalog.take_snapshot(access, server, label, say)
    if folder:
        await _copy(access, server, name, folder)
        say(f"copied to {folder / name}")
    return name


async def _copy(access: ClusterAccess, server: str, name: str, folder: Path) -> None:
    """Copy an etcd snapshot from a server to the local `folder`, and verify the copy.

    Raises `TaskError` if the transfer fails, and `SnapshotError` if the copy is corrupt.
    """
    folder.mkdir(parents=True, exist_ok=True)
    connections, machine, source = access.connections(), access.machines[server], f"{SNAPSHOT_FOLDER}/{name}"
    part = folder / f"{name}.part"
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # a snapshot contains all Secrets
    try:
        await connections.download(machine, source, part)
        script = render_script({"FILE": source}, 'sha256sum <"$FILE"')
        _, output, _ = await connections.run(machine, script, no_progress)
        if output.partition(" ")[0] != sha256_of(part):
            raise SnapshotError(f"The local copy of snapshot {name} from {server} is corrupt: run the command again.")
        part.replace(folder / name)
    finally:
        part.unlink(missing_ok=True)


def _show(inventory: SnapshotInventory, shown: list[Snapshot], *, as_json: bool) -> None:
    for note in inventory.warnings:
        stderr.print(note, style="yellow", markup=False, soft_wrap=True)
    if as_json:
        console.print_json(json.dumps([as_dict(entry) for entry in shown]))
    elif shown:
        console.print(as_table(shown))
    else:
        console.print("There are no snapshots.")


def as_table(shown: list[Snapshot]) -> Table:
    """Return a table with one row per snapshot, in the order of `shown`."""
    rows = Table(box=None)
    for column in ("snapshot", "age", "size", "on"):
        rows.add_column(column, no_wrap=column != "on", justify="right" if column == "size" else "left")
    for entry in shown:
        rows.add_row(
            entry.name, snapshot_catalog.age(entry), f"{entry.size / (1 << 20):.1f} MiB", ", ".join(entry.locations)
        )
    return rows


def as_dict(entry: Snapshot) -> dict[str, Any]:
    """Convert a snapshot to a dictionary for JSON output."""
    servers = [location for location in entry.locations if location != S3]
    return {
        "name": entry.name,
        "taken": int(entry.taken_at),
        "bytes": entry.size,
        "servers": servers,
        "s3": S3 in entry.locations,
    }
