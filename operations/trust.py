"""`./homelab trust`: prints the machines' SSH host keys, and pins the keys in the stack file after confirmation."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from components.cluster.settings import ClusterSettings
from operations import files, host_keys, machines, stackfile_editor
from operations.console import Console
from operations.host_keys import HostKeySetting, ScannedKey, Verdict, fingerprint
from operations.pulumi_stack import Stack, StackError, StackFile, StackName
from provider.errors import TaskError
from stacks.settings import SettingsError

COMPARE_ADVICE = """\
An attacker on the network can forge these keys. Compare the keys with the output on each machine's console:
  ssh-keygen -lf /etc/ssh/ssh_host_{kind}_key.pub"""
_STYLES = {Verdict.SAME: "green", Verdict.NEW: "yellow", Verdict.DIFFERS: "bold red", Verdict.UNREACHABLE: "red"}

Replace = Annotated[
    list[str] | None,
    typer.Option("--replace", metavar="NODE", help="Node whose pinned host key the command replaces; repeatable."),
]


def trust(
    stack: StackName = "homelab",
    config_file: StackFile = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Pin new host keys without asking. Pinned host keys stay unchanged.")
    ] = False,
    replace: Replace = None,
) -> None:
    """Pin the SSH host keys of all machines in the stack file, after you have compared the fingerprints.

    Exit code: 0 if every machine presents the host key that the stack file pins, otherwise 1.
    """
    console, target = Console(), Stack(stack, config_file)
    try:
        groups = (host_keys.of_bastions, host_keys.of_nodes)
        complete = [_pin_keys(console, target, group, yes, replace or []) for group in groups]
    except (SettingsError, StackError, TaskError) as error:
        console.print(f"{error}\nNo changes were made.", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    if not all(complete):
        raise typer.Exit(1)
    console.print(f"{target.file.name} pins the host keys of all machines.")


def _pin_keys(
    console: Console,
    stack: Stack,
    pick: Callable[[ClusterSettings], list[HostKeySetting]],
    yes: bool,
    replace: Sequence[str],
) -> bool:
    """Read the host keys of the machines that `pick` selects, and pin the keys that the user accepts.

    Return whether the stack file pins the host keys of all these machines.
    """
    settings = pick(host_keys.read_cluster(stack.file))
    if not settings:
        return True
    hops = [setting.bastion for setting in settings if setting.bastion]
    scans = asyncio.run(host_keys.scan(settings, machines.private_keys(hops, stack)))
    console.print(_table(scans))
    shared = _report_shared_keys(console, scans)
    usable = [scan for scan in scans if scan not in shared]
    new = [scan for scan in usable if scan.verdict is Verdict.NEW]
    changed = [scan for scan in usable if scan.verdict is Verdict.DIFFERS]
    if new or changed:
        kinds = {_key_type(scan.key) for scan in (*new, *changed)}
        console.print(COMPARE_ADVICE.format(kind=kinds.pop() if len(kinds) == 1 else "*"), markup=False, soft_wrap=True)
    accepted = (
        new
        if new and (yes or _confirmed(f"Pin {_names(new)} in {stack.file.name}? (--yes skips this question)"))
        else []
    )
    accepted = accepted + [scan for scan in changed if _may_replace(console, scan, replace)]
    if accepted:
        keys = {scan.setting.path: scan.key for scan in accepted if scan.key}
        files.replace(stack.file, stackfile_editor.with_host_keys(stack.file.read_text(encoding="utf-8"), keys))
        console.print(f"{stack.file.name}: pinned {_names(accepted)}.")
    unpinned = [scan for scan in scans if scan.verdict is not Verdict.SAME and scan not in accepted]
    if unpinned:
        console.print(f"Not pinned: {_names(unpinned)}.", style="red")
    return not unpinned


def _table(scans: Sequence[ScannedKey]) -> Table:
    table = Table("machine", "type", "SHA256 fingerprint", "", box=None, pad_edge=False)
    for scan in scans:
        style = _STYLES[scan.verdict]
        result = _fingerprint(scan.key) if scan.key else Text(scan.cause)
        table.add_row(scan.setting.hop.name, _key_type(scan.key), result, Text(scan.verdict, style))
        if scan.verdict is Verdict.DIFFERS:
            table.add_row(
                "", _key_type(scan.setting.pinned), _fingerprint(scan.setting.pinned), Text("is pinned", style)
            )
    return table


def _fingerprint(key: str | None) -> Text:
    """Return a key's fingerprint as text without line breaks, so that users can compare fingerprints easily."""
    return Text(fingerprint(key).removeprefix("SHA256:") if key else "", no_wrap=True, overflow="fold")


def _key_type(key: str | None) -> str:
    """Return the type of a host key, such as `ed25519`, as in the file name `ssh_host_ed25519_key.pub`."""
    return key.split()[0].removeprefix("ssh-").partition("-")[0] if key else ""


def _report_shared_keys(console: Console, scans: Sequence[ScannedKey]) -> list[ScannedKey]:
    """Print and return the nodes that share a host key; a stack file must not pin one host key for two nodes."""
    owners = Counter(scan.key for scan in scans if scan.key and scan.setting.hop.name != "bastion")
    shared = [scan for scan in scans if scan.key and owners[scan.key] > 1]
    for key in dict.fromkeys(scan.key for scan in shared):
        names = _names([scan for scan in shared if scan.key == key])
        console.print(
            f"{names} have the same host key: these nodes are the same machine, or their disks are clones.",
            style="bold red",
        )
        console.print("Give each clone its own host keys: rm /etc/ssh/ssh_host_*; dpkg-reconfigure openssh-server")
    return shared


def _may_replace(console: Console, scan: ScannedKey, replace: Sequence[str]) -> bool:
    hop = scan.setting.hop
    text = f"{hop.name} ({hop.address}) presents a host key that DIFFERS from the pinned host key."
    console.print(text, style="bold red", markup=False, soft_wrap=True)
    console.print(
        f"Before you continue, find out whether {hop.name} was reinstalled, or another machine uses its address.",
        markup=False,
        soft_wrap=True,
    )
    return hop.name in replace or _confirmed(
        f"Replace the pinned host key of {hop.name}? (--replace {hop.name} skips this question)"
    )


def _confirmed(question: str) -> bool:
    try:
        return typer.confirm(question)
    except typer.Abort:  # standard input is closed
        typer.echo()
        return False


def _names(scans: Sequence[ScannedKey]) -> str:
    return ", ".join(scan.setting.hop.name for scan in scans)
