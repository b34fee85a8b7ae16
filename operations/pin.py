"""`./homelab pin`: writes the checksums of the stack's K3s into its stack file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from components.lab import ClusterSettings
from operations import files, release
from operations import stackfile as edit
from operations.https import FetchError, OutOfReachError
from operations.stack import Stack, StackFile, StackName
from operations.talk import Console
from stacks import stackfile
from stacks.settings import Settings, SettingsError

AIR_GAP = """Run this where that host can be reached and is trusted, and copy k3s.pins from there;
or write them by hand: what `sha256sum` prints for the release's sha256sum-amd64.txt, sha256sum-arm64.txt,
sha256sum-arm.txt and install.sh, had from a source that you trust."""
_ANY = dict.fromkeys((*release.ARCHITECTURES, release.INSTALLER), "0" * 64)


def pin(
    stack: StackName = "homelab",
    official: Annotated[bool, typer.Option("--official", help="Ask K3s' own release, not the stack's mirror.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Replace other pins without asking.")] = False,
    config_file: StackFile = None,
) -> None:
    """Write the checksums of the stack's K3s release into its stack file."""
    console, file = Console(), Stack(stack, config_file).file
    try:
        old, cluster = _read(file, official)
        new = release.pins(cluster)
    except (FetchError, SettingsError) as error:
        advice = f"{AIR_GAP}\n" if isinstance(error, OutOfReachError) else ""
        console.print(f"{error}\n{advice}Nothing was written.", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    console.print(_table(cluster, old, new))
    if old == new:
        console.print(f"{file.name} has these pins.")
        return
    if any(old[name] != new[name] for name in old) and not yes:
        console.print("Pins change with k3s.version; if that is as it was, someone changed what was released.")
        typer.confirm(f"Replace the pins in {file.name}? (--yes answers this)", abort=True)
    files.replace(file, edit.with_pins(file.read_text(encoding="utf-8"), new))
    console.print(f"{file.name} now has these pins.")


def _read(file: Path, official: bool) -> tuple[dict[str, str], ClusterSettings]:
    """Return the pins that the file has, and its settings as they will be with others: all else must be right."""
    config, secrets = stackfile.read(file)
    raw: dict[str, Any] = {}
    cluster = config.get("cluster")
    if isinstance(cluster, Mapping) and isinstance(k3s := cluster.get("k3s", {}), Mapping):
        raw = dict(k3s["pins"]) if isinstance(k3s.get("pins"), Mapping) else {}
        config["cluster"] = dict(cluster) | {"k3s": dict(k3s) | {"pins": raw | _ANY}}
    settings = Settings.parse(config, secrets, stackfile.stack_of(file)).cluster
    return {name: str(value) for name, value in raw.items()}, _source(settings, official)


def _source(cluster: ClusterSettings, official: bool) -> ClusterSettings:
    """Return the settings with the source that is to be asked. Raises `FetchError`."""
    mirror = cluster.k3s.mirror
    if official or not mirror:
        return cluster.model_copy(update={"k3s": cluster.k3s.model_copy(update={"mirror": None})})
    if not mirror.startswith("https://"):
        raise FetchError(
            f"The mirror {mirror} is not https: anyone on the way could have written its checksums.\n"
            "Take those of K3s' own release with --official, or write k3s.pins by hand from a source that you trust."
        )
    return cluster


def _table(cluster: ClusterSettings, old: Mapping[str, str], new: Mapping[str, str]) -> Table:
    source = cluster.k3s.mirror or "its own release"
    table = Table(title=f"K3s {cluster.k3s.version}, from {source}", title_justify="left", box=None)
    table.add_column("pin")
    table.add_column("SHA-256", no_wrap=True)
    table.add_column("")
    for name, value in new.items():
        before = old.get(name)
        table.add_row(name, value, "new" if before is None else "" if before == value else "now")
        if before not in (None, value):
            table.add_row("", before, "was")
    return table
