"""`./homelab kubeconfig`: puts the cluster into the file that kubectl reads."""

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from components.validity import Validity
from operations import files, people
from operations.api import Api, ApiError
from operations.merge import Merged, MergeError, entries, merge
from operations.people import PersonError
from operations.stack import Stack, StackError, StackFile, StackName
from operations.talk import Console
from stacks.settings import Settings, SettingsError

MODE = 0o600
DAYS = 30


def kubeconfig(
    stack: StackName = "homelab",
    config_file: StackFile = None,
    output: Annotated[
        Path | None, typer.Option(help="File to put it into. Default: the first of KUBECONFIG, or ~/.kube/config.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Replace entries of the same name without asking.")] = False,
    *,
    user: Annotated[
        str, typer.Option(help="Someone of homelab:platform.rbac.people, with a new certificate. Default: you.")
    ] = "",
    days: Annotated[int, typer.Option(min=1, max=365, help="With --user: days until it expires.")] = DAYS,
) -> None:
    """Put the cluster into kubectl's file: context, cluster and user, all named after it. Other entries stay."""
    console, file = Console(), _file(output)
    try:
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        name, own = _own(Stack(stack, config_file), user, days)
        merged = merge(before, own, name)
        _replace_only_if_asked(console, file, merged, own["clusters"]["server"], yes)
        _write(console, file, before, merged)
    except (SettingsError, StackError, MergeError, ApiError, PersonError, OSError) as error:
        text = f"{file}: {error}" if isinstance(error, MergeError) else str(error)
        console.print(f"{text}\nNothing was written.", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    console.print(_good(Validity.of(own["users"]), user), markup=False, soft_wrap=True)
    use = "" if merged.current == name else f" --context {name}"
    console.print(f"Try: kubectl{use} get nodes", markup=False, soft_wrap=True)
    if use:
        console.print(
            f"kubectl goes on using the context {merged.current}; kubectl config use-context {name} changes that."
        )


def _file(output: Path | None) -> Path:
    first = next((part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part), "")
    return (output or Path(first or "~/.kube/config")).expanduser()


def _own(stack: Stack, user: str, days: int) -> tuple[str, dict[str, dict[str, str]]]:
    """Return how the entries are named, and what they say."""
    groups = people.groups_of(user, Settings.read(stack.file)) if user else ()
    outputs = stack.outputs()
    if "kubeconfig" not in outputs:
        raise StackError(f"Stack {stack.name} has no kubeconfig yet: run `pulumi up` first.")
    name, admins = str(outputs["name"]), str(outputs["kubeconfig"])
    own = entries(admins, name)
    if (validity := Validity.of(own["users"])).over:
        raise StackError(f"The certificate of the kubeconfig ended on {validity.end}: `pulumi up` renews it.")
    if not user:
        return name, own
    name = f"{user}@{name}"
    return name, {**entries(admins, name), "users": people.user(Api(admins), user, groups, days)}


def _good(validity: Validity, user: str) -> str:
    if user:
        return f"{user} gets in until {validity.end}."
    if validity.due:
        ends = f"It ends on {validity.end}, in {validity.left.days} days"
        return f"{ends}: `pulumi up` renews it, and then run this again."
    return f"It is good until {validity.end}."


def _replace_only_if_asked(console: Console, file: Path, merged: Merged, server: str, yes: bool) -> None:
    if not merged.replaced:
        return
    console.print(f"{file} has {', '.join(merged.replaced)} with other content.", markup=False, soft_wrap=True)
    if merged.server not in ("", server):
        console.print(
            f"It is another cluster's: {merged.server} was there, {server} is ours.", style="bold red", soft_wrap=True
        )
    if not yes:
        typer.confirm("Replace it? A copy of the file is kept. (--yes answers this)", abort=True)


def _write(console: Console, file: Path, before: str, merged: Merged) -> None:
    if merged.text == before:
        if file.stat().st_mode & 0o077:
            file.chmod(MODE)
        console.print(f"{file} has it already.", markup=False, soft_wrap=True)
        return
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # kubectl itself takes this lock while it writes
    lock = file.with_name(f"{file.name}.lock")
    try:
        lock.touch(exist_ok=False)
    except FileExistsError:
        raise MergeError(f"kubectl is writing it; if it is not, remove {lock}") from None
    try:
        if (file.read_text(encoding="utf-8") if file.exists() else "") != before:
            raise MergeError("someone changed it meanwhile; run this again")
        if merged.replaced:
            copy = file.with_name(f"{file.name}.{datetime.now():%Y%m%d-%H%M%S}")
            copy.touch(mode=MODE, exist_ok=False)
            copy.write_text(before, encoding="utf-8")
            console.print(f"{copy} is as it was.", markup=False, soft_wrap=True)
        files.replace(file, merged.text, MODE)
    finally:
        lock.unlink()
    console.print(f"{file} has the cluster now.", markup=False, soft_wrap=True)
