"""`./homelab kubeconfig`: adds the cluster to the kubeconfig file that kubectl reads."""

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from components.cluster.certificate_validity import Validity
from operations import files, user_certificates
from operations.api import Api, ApiError
from operations.console import Console
from operations.kubeconfig_merge import MergeError, MergeResult, entries_of, merge
from operations.pulumi_stack import Stack, StackError, StackFile, StackName
from operations.user_certificates import UserCertificateError
from stacks.settings import LabStack, SettingsError

FILE_MODE = 0o600
DEFAULT_DAYS = 30


def kubeconfig(
    stack: StackName = "homelab",
    config_file: StackFile = None,
    output: Annotated[
        Path | None, typer.Option(help="Kubeconfig to write. Default: the first file in KUBECONFIG, or ~/.kube/config.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Replace existing kubeconfig entries of the same name without asking.")
    ] = False,
    *,
    user: Annotated[str, typer.Option(help="User from homelab:platform.rbac.people. Default: the administrator.")] = "",
    days: Annotated[
        int, typer.Option(min=1, max=365, help="Lifetime of the certificate for --user, in days.")
    ] = DEFAULT_DAYS,
) -> None:
    """Add the context, cluster and user of the lab's cluster to your kubeconfig file. Other entries stay unchanged."""
    console, file = Console(), _file(output)
    try:
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        name, own_entries = _cluster_entries(Stack(stack, config_file), user, days)
        merged = merge(before, own_entries, name)
        _replace_only_if_asked(console, file, merged, own_entries["clusters"]["server"], yes)
        _write(console, file, before, merged)
    except (SettingsError, StackError, MergeError, ApiError, UserCertificateError, OSError) as error:
        text = f"{file}: {error}" if isinstance(error, MergeError) else str(error)
        console.print(f"{text}\nNo changes were made.", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    console.print(_expiry(Validity.of_kubeconfig_user(own_entries["users"]), user), markup=False, soft_wrap=True)
    use = "" if merged.current == name else f" --context {name}"
    console.print(f"Try: kubectl{use} get nodes", markup=False, soft_wrap=True)
    if use:
        console.print(
            f"kubectl's current context stays {merged.current}. To change it: kubectl config use-context {name}"
        )


def _file(output: Path | None) -> Path:
    first = next((part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part), "")
    return (output or Path(first or "~/.kube/config")).expanduser()


def _cluster_entries(stack: Stack, user: str, days: int) -> tuple[str, dict[str, dict[str, str]]]:
    """Return the name that the new cluster, user and context entries share, and the entries by kubeconfig section."""
    groups = user_certificates.groups_of(user, LabStack.read(stack.file)) if user else ()
    outputs = stack.outputs()
    if "kubeconfig" not in outputs:
        raise StackError(f"Stack {stack.name} has no kubeconfig yet: run `pulumi up` first.")
    name, admins = str(outputs["name"]), str(outputs["kubeconfig"])
    own = entries_of(admins, name)
    if (validity := Validity.of_kubeconfig_user(own["users"])).is_expired:
        raise StackError(
            f"The certificate of the kubeconfig expired on {validity.end_text}: "
            "run `pulumi up` to renew the certificate."
        )
    if not user:
        return name, own
    name = f"{user}@{name}"
    return name, {
        **entries_of(admins, name),
        "users": user_certificates.issue_credentials(Api(admins), user, groups, days),
    }


def _expiry(validity: Validity, user: str) -> str:
    if user:
        return f"The certificate of {user} is valid until {validity.end_text}."
    if validity.needs_renewal:
        expires = f"The certificate expires on {validity.end_text}, in {validity.remaining.days} days"
        return f"{expires}: run `pulumi up`, then `./homelab kubeconfig` again."
    return f"The certificate is valid until {validity.end_text}."


def _replace_only_if_asked(console: Console, file: Path, merged: MergeResult, server: str, yes: bool) -> None:
    if not merged.replaced:
        return
    console.print(f"{file} already has {', '.join(merged.replaced)} with other content.", markup=False, soft_wrap=True)
    if merged.server not in ("", server):
        console.print(
            f"The existing cluster entry belongs to another cluster: its API is {merged.server}, not {server}.",
            style="bold red",
            soft_wrap=True,
        )
    if not yes:
        typer.confirm(
            "Replace these kubeconfig entries, and keep a copy of the file? (--yes skips this question)", abort=True
        )


def _write(console: Console, file: Path, before: str, merged: MergeResult) -> None:
    if merged.text == before:
        if file.stat().st_mode & 0o077:
            file.chmod(FILE_MODE)
        console.print(f"{file} already has the entries of the cluster.", markup=False, soft_wrap=True)
        return
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # kubectl uses the same lock file, so kubectl and homelab cannot write the kubeconfig at the same time
    lock = file.with_name(f"{file.name}.lock")
    try:
        lock.touch(exist_ok=False)
    except FileExistsError:
        raise MergeError(
            f"kubectl is writing this kubeconfig; if kubectl does not run, remove the lock file {lock}"
        ) from None
    try:
        if (file.read_text(encoding="utf-8") if file.exists() else "") != before:
            raise MergeError(
                "another program changed the kubeconfig at the same time; run `./homelab kubeconfig` again"
            )
        if merged.replaced:
            copy = file.with_name(f"{file.name}.{datetime.now():%Y%m%d-%H%M%S}")
            copy.touch(mode=FILE_MODE, exist_ok=False)
            copy.write_text(before, encoding="utf-8")
            console.print(f"{copy}: copy of the previous file.", markup=False, soft_wrap=True)
        files.replace(file, merged.text, FILE_MODE)
    finally:
        lock.unlink()
    console.print(f"{file}: cluster added.", markup=False, soft_wrap=True)
