"""`./homelab snapshot`: takes a snapshot of etcd, or lists all snapshots."""

import asyncio
import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from operations import files, snapshot_catalog
from operations.cluster_access import Site
from operations.console import Json, console, errors, guarded, say
from operations.pulumi_stack import Stack, StackFile, StackName
from operations.snapshot_catalog import NAME, S3, Found, Snapshot, SnapshotError
from provider.ssh.connections import no_progress, render_script

FOLDER = "/var/lib/rancher/k3s/server/db/snapshots"


def snapshot(
    *,
    stack: StackName = "homelab",
    listing: Annotated[bool, typer.Option("--list", help="List all snapshots instead of taking one.")] = False,
    name: Annotated[str, typer.Option(help="Prefix of the snapshot's name; server and time follow.")] = "on-demand",
    save: Annotated[
        Path | None, typer.Option(help="Also copy the snapshot to this local folder.", file_okay=False)
    ] = None,
    as_json: Json = False,
    config_file: StackFile = None,
) -> None:
    """Take a snapshot of etcd on one server, which uploads it to S3 if k3s.snapshots.s3 is set."""
    if not NAME.fullmatch(name):
        raise typer.BadParameter("use letters, digits, dots, dashes and underscores", param_hint="--name")
    with guarded():
        site = Site.of(Stack(stack, config_file))
        taken = None if listing else asyncio.run(_take(site, name, save))
        inventory = asyncio.run(snapshot_catalog.look(site))
        shown = [entry for entry in inventory.snapshots if listing or entry.name == taken]
        _show(inventory, shown, as_json=as_json)
        if listing and not inventory.answering and not shown:
            raise typer.Exit(1)


async def _take(site: Site, label: str, folder: Path | None) -> str:
    inventory = await snapshot_catalog.look(site)
    if not inventory.serving:
        causes = [server.cause or f"{server.name}: K3s is {server.k3s}" for server in inventory.servers]
        raise SnapshotError("\n".join(("No server has a ready API, so no snapshot can be taken:", *causes)))
    server = inventory.serving[0]
    name = await snapshot_catalog.take(site, server, label, say)
    if folder:
        await _copy(site, server, name, folder)
        say(f"copied to {folder / name}")
    return name


async def _copy(site: Site, server: str, name: str, folder: Path) -> None:
    """Copy a snapshot from its server; it gets its name once verified. Raises `TaskError`, `SnapshotError`."""
    folder.mkdir(parents=True, exist_ok=True)
    connections, machine, source = site.connections(), site.machines[server], f"{FOLDER}/{name}"
    part = folder / f"{name}.part"
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # it contains every Secret of the cluster
    try:
        await connections.download(machine, source, part)
        script = render_script({"FILE": source}, 'sha256sum <"$FILE"')
        _, output, _ = await connections.run(machine, script, no_progress)
        if output.partition(" ")[0] != files.sha256(part):
            raise SnapshotError(f"The local copy of {name} from {server} is corrupt: run the command again.")
        part.replace(folder / name)
    finally:
        part.unlink(missing_ok=True)


def _show(inventory: Found, shown: list[Snapshot], *, as_json: bool) -> None:
    for note in inventory.notes:
        errors.print(note, style="yellow", markup=False, soft_wrap=True)
    if as_json:
        console.print_json(json.dumps([as_data(entry) for entry in shown]))
    elif shown:
        console.print(table(shown))
    else:
        console.print("There are no snapshots.")


def table(shown: list[Snapshot]) -> Table:
    """Return a table of snapshots, in the given order."""
    rows = Table(box=None)
    for column in ("snapshot", "age", "size", "on"):
        rows.add_column(column, no_wrap=column != "on", justify="right" if column == "size" else "left")
    for entry in shown:
        rows.add_row(
            entry.name, snapshot_catalog.age(entry), f"{entry.size / (1 << 20):.1f} MiB", ", ".join(entry.places)
        )
    return rows


def as_data(entry: Snapshot) -> dict[str, Any]:
    """Return a snapshot as data for `--json`."""
    servers = [place for place in entry.places if place != S3]
    return {
        "name": entry.name,
        "taken": int(entry.taken),
        "bytes": entry.size,
        "servers": servers,
        "s3": S3 in entry.places,
    }
