"""`./homelab restore`: brings the cluster back from a snapshot."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from operations import rescue, snapshots, state
from operations.rescue import Plan, Rescue, Restored
from operations.site import Site
from operations.snapshot import as_data
from operations.snapshots import NAME, Found, Server, Snapshot, SnapshotError
from operations.stack import Stack, StackFile, StackName
from operations.talk import Json, console, errors, guarded, say


def restore(
    snapshot: Annotated[
        str | None, typer.Argument(help="Its name, as `snapshot --list` shows it. Default: the newest.")
    ] = None,
    *,
    stack: StackName = "homelab",
    from_s3: Annotated[bool, typer.Option("--from-s3", help="Take the copy on S3, whatever servers have.")] = False,
    file: Annotated[Path | None, typer.Option(help="Take a snapshot on this computer.", dir_okay=False)] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="Its server token, if that was another then.", dir_okay=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
    config_file: StackFile = None,
) -> None:
    """Bring the cluster back from a snapshot, whatever is left of it. Asks before it destroys; can be repeated."""
    if file and (snapshot or from_s3):
        raise typer.BadParameter("it stands for SNAPSHOT and --from-s3", param_hint="--file")
    with guarded():
        site = Site.of(Stack(stack, config_file))
        given = state.tasks(site.stack)
        rescue.check(site, given)
        found = asyncio.run(snapshots.look(site))
        chosen = _of(file) if file else found.choose(snapshot, from_s3=from_s3)
        plan = replace(rescue.plan(found, chosen, file, from_s3=from_s3), token=_token(token_file))
        _show(site, found, plan)
        if not yes:
            typer.confirm("Go on?", abort=True, err=True)
        restored = asyncio.run(Rescue(site, given, plan, say).run())
        _end(restored, as_json=as_json)


def _token(file: Path | None) -> str:
    """The token itself: K3s' own file has the hash of an authority before it."""
    return _there(file).read_text().strip().rpartition("::")[2].removeprefix("server:") if file else ""


def _there(file: Path) -> Path:
    if not file.is_file():
        raise SnapshotError(f"There is no file {file} on this computer.")
    return file


def _of(file: Path) -> Snapshot:
    """A snapshot on this computer."""
    if not NAME.fullmatch(file.name):
        raise SnapshotError(f"{file.name} is no name for a snapshot: use letters, digits, dots, dashes, underscores.")
    facts = _there(file).stat()
    return Snapshot(file.name, snapshots.taken(file.name, facts.st_mtime), facts.st_size, ())


def _show(site: Site, found: Found, plan: Plan) -> None:
    for note in found.notes:
        errors.print(note, style="yellow", markup=False, soft_wrap=True)
    source = "this computer" if plan.file else "S3" if plan.fetch else plan.first
    size = f"{plan.snapshot.size / (1 << 20):.1f} MiB"
    errors.print(f"{plan.snapshot.name}, {snapshots.age(plan.snapshot)} old, {size}, from {source}")
    rows = Table(box=None)
    for column in ("server", "K3s", "what happens"):
        rows.add_column(column)
    for server in found.servers:
        rows.add_row(server.name, server.k3s or "does not answer", _fate(server, plan))
    errors.print(rows)
    errors.print(
        f"K3s stops on all of them. What {site.cluster.name} holds now, and the snapshot does not, will be gone; "
        "volumes are not touched.",
        soft_wrap=True,
    )


def _fate(server: Server, plan: Plan) -> str:
    if server.name in plan.lost:
        return "left out: wipe it before it comes back"
    if server.name == plan.first:
        return "restored from the snapshot"
    return "installed anew; it joins" if server.k3s == "absent" else "its etcd is emptied; it joins"


def _end(restored: Restored, *, as_json: bool) -> None:
    plan = restored.plan
    out = (*plan.lost, *restored.absent)
    if as_json:
        data = {"snapshot": as_data(plan.snapshot), "restored": plan.first, "rejoined": list(plan.others)}
        console.print_json(json.dumps(data | {"leftOut": list(out)}))
        return
    console.print(f"The cluster is what {plan.snapshot.name} holds, on {', '.join((plan.first, *plan.others))}.")
    if out:
        console.print(f"Left out: {', '.join(out)}.")
    console.print("Next: `pulumi up --refresh`, for what was deployed since the snapshot was taken.")
