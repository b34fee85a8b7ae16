"""`./homelab trust`: shows the machines' SSH host keys, and pins them in the stack file after a yes."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from components.lab import ClusterSettings
from operations import files, hostkeys, machines
from operations import stackfile as edit
from operations.hostkeys import Place, Shown, Verdict, fingerprint
from operations.stack import Stack, StackError, StackFile, StackName
from operations.talk import Console
from provider.errors import TaskError
from stacks import stackfile
from stacks.settings import Settings, SettingsError

COMPARE = """Anyone on the way could have answered that. Compare with what each machine says itself, at its own screen:
  ssh-keygen -lf /etc/ssh/ssh_host_{kind}_key.pub"""
_STYLES = {Verdict.SAME: "green", Verdict.NEW: "yellow", Verdict.DIFFERS: "bold red", Verdict.SILENT: "red"}

Replace = Annotated[
    list[str] | None,
    typer.Option("--replace", metavar="NODE", help="Replace the pinned key of this node; may be repeated."),
]


def trust(
    stack: StackName = "homelab",
    config_file: StackFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write new keys without asking; replaces none.")] = False,
    replace: Replace = None,
) -> None:
    """Pin the machines' SSH host keys in the stack file, after their fingerprints were compared.

    Ends with 0 if every machine shows the key that is pinned now, else with 1.
    """
    console, where = Console(), Stack(stack, config_file)
    try:
        settled = [_round(console, where, pick, yes, replace or []) for pick in (hostkeys.bastions, hostkeys.nodes)]
    except (SettingsError, StackError, TaskError) as error:
        console.print(f"{error}\nNothing was written.", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    if not all(settled):
        raise typer.Exit(1)
    console.print(f"{where.file.name} has the key that each machine shows.")


def _round(
    console: Console, stack: Stack, pick: Callable[[ClusterSettings], list[Place]], yes: bool, replace: Sequence[str]
) -> bool:
    """Collect some of the keys and pin those that may be. Returns whether all are pinned now."""
    places = pick(_read(stack))
    if not places:
        return True
    behind = [place.through for place in places if place.through]
    shown = asyncio.run(hostkeys.collect(places, machines.keys(behind, stack)))
    console.print(_table(shown))
    copies = _copies(console, shown)
    usable = [each for each in shown if each not in copies]
    new = [each for each in usable if each.verdict is Verdict.NEW]
    changed = [each for each in usable if each.verdict is Verdict.DIFFERS]
    if new or changed:
        kinds = {_kind(each.key) for each in (*new, *changed)}
        console.print(COMPARE.format(kind=kinds.pop() if len(kinds) == 1 else "*"), markup=False, soft_wrap=True)
    taken = new if new and (yes or _asked(f"Pin {_names(new)} in {stack.file.name}? (--yes answers this)")) else []
    taken = taken + [each for each in changed if _may_replace(console, each, replace)]
    if taken:
        keys = {each.place.loc: each.key for each in taken if each.key}
        files.replace(stack.file, edit.with_host_keys(stack.file.read_text(encoding="utf-8"), keys))
        console.print(f"{stack.file.name}: pinned {_names(taken)}.")
    left = [each for each in shown if each.verdict is not Verdict.SAME and each not in taken]
    if left:
        console.print(f"Not pinned: {_names(left)}.", style="red")
    return not left


def _read(stack: Stack) -> ClusterSettings:
    """The settings as they will be with all keys: everything else must be right."""
    config, secrets = stackfile.read(stack.file)
    config["cluster"] = hostkeys.filled(config.get("cluster"))
    return Settings.parse(config, secrets, stackfile.stack_of(stack.file)).cluster


def _table(shown: Sequence[Shown]) -> Table:
    table = Table("machine", "type", "SHA256 fingerprint", "", box=None, pad_edge=False)
    for each in shown:
        style = _STYLES[each.verdict]
        found = _digest(each.key) if each.key else Text(each.cause)
        table.add_row(each.place.hop.name, _kind(each.key), found, Text(each.verdict, style))
        if each.verdict is Verdict.DIFFERS:
            table.add_row("", _kind(each.place.pinned), _digest(each.place.pinned), Text("is pinned", style))
    return table


def _digest(key: str | None) -> Text:
    """The fingerprint, never broken: it is to be compared."""
    return Text(fingerprint(key).removeprefix("SHA256:") if key else "", no_wrap=True, overflow="fold")


def _kind(key: str | None) -> str:
    """The type as the file of the key on the machine has it in its name."""
    return key.split()[0].removeprefix("ssh-").partition("-")[0] if key else ""


def _copies(console: Console, shown: Sequence[Shown]) -> list[Shown]:
    """Say which nodes show the same key, which a stack file may not have twice, and return them."""
    owners = Counter(each.key for each in shown if each.key and each.place.hop.name != "bastion")
    found = [each for each in shown if each.key and owners[each.key] > 1]
    for key in dict.fromkeys(each.key for each in found):
        names = _names([each for each in found if each.key == key])
        console.print(f"{names} show the same key: they are one machine, or copies of one disk.", style="bold red")
        console.print("Copies need keys of their own: rm /etc/ssh/ssh_host_*; dpkg-reconfigure openssh-server")
    return found


def _may_replace(console: Console, shown: Shown, replace: Sequence[str]) -> bool:
    hop = shown.place.hop
    text = f"{hop.name} ({hop.address}) shows ANOTHER host key than the one pinned."
    console.print(text, style="bold red", markup=False, soft_wrap=True)
    console.print("It was set up anew, or another machine answers there. Do not go on before you know which.")
    return hop.name in replace or _asked(f"Replace the pinned key of {hop.name}? (--replace {hop.name} answers this)")


def _asked(question: str) -> bool:
    try:
        return typer.confirm(question)
    except typer.Abort:  # nobody is there to answer
        typer.echo()
        return False


def _names(shown: Sequence[Shown]) -> str:
    return ", ".join(each.place.hop.name for each in shown)
