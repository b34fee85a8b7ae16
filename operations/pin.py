"""`./homelab pin`: writes the checksums of the K3s release and of charts into the stack file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.table import Table

from components.cluster.settings import ClusterSettings
from operations import chart_pins, files, release, stackfile_editor
from operations.console import Console
from operations.http import FetchError, UnreachableError
from operations.pulumi_stack import Stack, StackFile, StackName
from stacks import stackfile
from stacks.platform_settings import PlatformSettings
from stacks.settings import LabStack, SettingsError

AIR_GAP_ADVICE = """\
Run `./homelab pin` on a workstation that reaches and trusts the host, and copy k3s.pins from its stack file.
Or set k3s.pins manually to the output of `sha256sum` for the release's sha256sum-amd64.txt, sha256sum-arm64.txt,
sha256sum-arm.txt and install.sh from a trusted source."""
_SUM = "0" * 64
_PLACEHOLDERS = dict.fromkeys((*release.ARCHITECTURES, release.INSTALLER), _SUM)
Pins = Mapping[str, str]


def pin(
    stack: StackName = "homelab",
    official: Annotated[
        bool,
        typer.Option(
            "--official", help="Download from the official K3s release and Helm repositories, not from mirrors."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Replace pins that differ without asking.")] = False,
    config_file: StackFile = None,
) -> None:
    """Write the checksums of the K3s release, and of Helm charts that homelab does not pin, into the stack file."""
    console, file = Console(), Stack(stack, config_file).file
    try:
        settings, old, old_charts = _read(file)
        cluster = _with_source(settings.cluster, official)
        new, new_charts = release.fetch_pins(cluster), chart_pins.fetch_pins(settings, old_charts, official)
    except (FetchError, SettingsError) as error:
        advice = f"{AIR_GAP_ADVICE}\n" if isinstance(error, UnreachableError) else ""
        console.print(f"{error}\n{advice}No changes were made.", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    console.print(_table(f"K3s {cluster.k3s.version}, from {cluster.k3s.mirror or 'its release'}", old, new))
    if old_charts or new_charts:
        console.print(_table("Charts", old_charts, new_charts))
    if (old, old_charts) == (new, new_charts):
        console.print(f"{file.name} already has these pins.")
        return
    if (_replaced(old, new) or _replaced(old_charts, new_charts)) and not yes:
        console.print(
            "A checksum changes only with the version. If the version is the same, someone modified the released files."
        )
        typer.confirm(f"Replace the checksums in {file.name}? (--yes skips this question)", abort=True)
    text = stackfile_editor.with_pins(file.read_text(encoding="utf-8"), new)
    files.replace(file, stackfile_editor.with_chart_pins(text, new_charts) if old_charts != new_charts else text)
    console.print(f"{file.name} now has these pins.")


def _read(file: Path) -> tuple[LabStack, dict[str, str], dict[str, str]]:
    """Read a stack file; return the settings with placeholder checksums, and the old checksums of K3s and charts."""
    config, secrets = stackfile.read(file)
    old = old_charts = dict[str, Any]()
    if isinstance(cluster := config.get("cluster"), Mapping) and isinstance(k3s := cluster.get("k3s", {}), Mapping):
        old, pinned = _with_pins(k3s, _PLACEHOLDERS)
        config["cluster"] = dict(cluster) | {"k3s": pinned}
    if isinstance(platform := config.get("platform"), Mapping):
        old_charts, config["platform"] = _with_pins(platform, _chart_placeholders(platform))
    settings = LabStack.parse(config, secrets, stackfile.stack_name(file))
    return settings, _as_text(old), _as_text(old_charts)


def _chart_placeholders(platform: Mapping[str, Any]) -> Pins:
    """Return a placeholder checksum for each Helm chart of a valid section `homelab:platform`."""
    try:
        return dict.fromkeys(PlatformSettings.model_validate({**platform, "pins": {}}).charts(), _SUM)
    except ValidationError:
        return {}  # LabStack.parse reports the errors


def _with_pins(section: Mapping[str, Any], pins: Pins) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the checksums under `pins` in a section of the stack file, and a copy of the section with new `pins`."""
    current = dict(section["pins"]) if isinstance(section.get("pins"), Mapping) else {}
    return current, dict(section) | {"pins": {**current, **pins}}


def _as_text(pins: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in pins.items()}


def _with_source(cluster: ClusterSettings, official: bool) -> ClusterSettings:
    """Return the cluster settings, without the K3s mirror if `official` is set.

    Raises `FetchError` if the URL of the K3s mirror is not https.
    """
    mirror = cluster.k3s.mirror
    if official or not mirror:
        return cluster.model_copy(update={"k3s": cluster.k3s.model_copy(update={"mirror": None})})
    if not mirror.startswith("https://"):
        raise FetchError(
            f"The URL {mirror} of the mirror is not https: anyone on the network path can change its checksums.\n"
            "Use --official to get the official checksums, or write k3s.pins manually from a trusted source."
        )
    return cluster


def _replaced(old: Pins, new: Pins) -> bool:
    return any(old[name] != new.get(name, old[name]) for name in old)


def _table(title: str, old: Pins, new: Pins) -> Table:
    table = Table(title=title, title_justify="left", box=None)
    table.add_column("pin")
    table.add_column("SHA-256", no_wrap=True)
    table.add_column("")
    for name, value in new.items():
        before = old.get(name)
        table.add_row(name, value, "new" if before is None else "" if before == value else "now")
        if before not in (None, value):
            table.add_row("", before, "was")
    for name in old.keys() - new.keys():
        table.add_row(name, old[name], "pinned by homelab, removed")
    return table
