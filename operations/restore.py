"""`./homelab restore`: restores the cluster from a snapshot of etcd."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from operations import restore_runner, snapshot_catalog, task_state
from operations.cluster_access import ClusterAccess
from operations.console import AsJson, console, report_errors, say, stderr
from operations.pulumi_stack import Stack, StackFile, StackName
from operations.restore_runner import Plan, RestoreResult, RestoreRunner
from operations.snapshot import as_dict
from operations.snapshot_catalog import NAME_PATTERN, Server, Snapshot, SnapshotError, SnapshotInventory


def restore(
    snapshot: Annotated[
        str | None,
        typer.Argument(help="Name of a snapshot from `./homelab snapshot --list`. Default: the newest snapshot."),
    ] = None,
    *,
    stack: StackName = "homelab",
    from_s3: Annotated[
        bool, typer.Option("--from-s3", help="Download the snapshot from S3, even if a server has a copy.")
    ] = False,
    file: Annotated[Path | None, typer.Option(help="Restore a snapshot from a local file.", dir_okay=False)] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the K3s server token of the snapshot, if the token has changed since.", dir_okay=False
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Skip the confirmation.")] = False,
    as_json: AsJson = False,
    config_file: StackFile = None,
) -> None:
    """Restore the cluster from an etcd snapshot, even if all servers are lost. Asks before it replaces data.

    After an interruption or a failure, run the same command again.
    """
    if file and (snapshot or from_s3):
        raise typer.BadParameter("use --file without SNAPSHOT and without --from-s3", param_hint="--file")
    with report_errors():
        access = ClusterAccess.of(Stack(stack, config_file))
        tasks = task_state.tasks(access.stack)
        restore_runner.require_tasks(access, tasks)
        inventory = asyncio.run(snapshot_catalog.list_snapshots(access))
        chosen = _from_file(file) if file else inventory.choose(snapshot, from_s3=from_s3)
        plan = replace(restore_runner.plan_restore(inventory, chosen, file, from_s3=from_s3), token=_token(token_file))
        _show(access, inventory, plan)
        if not yes:
            typer.confirm("Continue?", abort=True, err=True)
        result = asyncio.run(RestoreRunner(access, tasks, plan, say).run())
        _report(result, as_json=as_json)


def _token(file: Path | None) -> str:
    """Read a K3s server token from a file.

    If the file is K3s' own token file, remove the prefix, which contains the CA hash and the user.
    """
    return _existing(file).read_text().strip().rpartition("::")[2].removeprefix("server:") if file else ""


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise SnapshotError(f"There is no file {file} on this workstation.")
    return file


def _from_file(file: Path) -> Snapshot:
    """Return the name, time and size of a snapshot file on the workstation."""
    if not NAME_PATTERN.fullmatch(file.name):
        raise SnapshotError(
            f"{file.name} is not a valid snapshot name: use letters, digits, dots, dashes and underscores."
        )
    status = _existing(file).stat()
    return Snapshot(file.name, snapshot_catalog.time_from_name(file.name, status.st_mtime), status.st_size, ())


def _show(access: ClusterAccess, inventory: SnapshotInventory, plan: Plan) -> None:
    for note in inventory.warnings:
        stderr.print(note, style="yellow", markup=False, soft_wrap=True)
    source = "this workstation" if plan.file else "S3" if plan.from_s3 else plan.first
    size = f"{plan.snapshot.size / (1 << 20):.1f} MiB"
    stderr.print(f"{plan.snapshot.name}, {snapshot_catalog.age(plan.snapshot)} old, {size}, from {source}")
    rows = Table(box=None)
    for column in ("server", "K3s", "action"):
        rows.add_column(column)
    for server in inventory.servers:
        rows.add_row(server.name, server.k3s or "does not answer", _action(server, plan))
    stderr.print(rows)
    stderr.print(
        f"K3s stops on all servers. The cluster {access.cluster.name} loses all objects that the snapshot lacks; "
        "its volumes stay unchanged.",
        soft_wrap=True,
    )


def _action(server: Server, plan: Plan) -> str:
    if server.name in plan.lost:
        return "skipped: wipe it before it starts again"
    if server.name == plan.first:
        return "restored from the snapshot"
    return "K3s is installed; joins" if server.k3s == "absent" else "etcd data is deleted; joins"


def _report(result: RestoreResult, *, as_json: bool) -> None:
    plan = result.plan
    skipped = (*plan.lost, *result.skipped_agents)
    if as_json:
        data = {"snapshot": as_dict(plan.snapshot), "restored": plan.first, "rejoined": list(plan.others)}
        console.print_json(json.dumps(data | {"leftOut": list(skipped)}))
        return
    console.print(
        f"The cluster is restored from {plan.snapshot.name}. Servers: {', '.join((plan.first, *plan.others))}."
    )
    if skipped:
        console.print(f"Skipped: {', '.join(skipped)}.")
    console.print("Next: run `pulumi up --refresh` to deploy all changes since the snapshot again.")
