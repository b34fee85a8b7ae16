"""`./homelab init`: asks a few questions, writes a stack file, and pins the machines' SSH host keys."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from ruamel.yaml.comments import CommentedMap

from components.settings.model import NAMESPACE
from operations import files, stackfile_editor
from operations.console import Console, report_errors
from operations.init_questions import Answers, Interview, ask_all
from operations.pulumi_stack import Stack, StackError, StackFile, StackName
from operations.trust import trust

FILE_MODE = 0o644
SSH_KEY = "sshKey"
"""Secret with the SSH private key, used if the stack file has it: `pulumi config set --secret sshKey < KEY`."""
_OWN_KEYS = (f"{NAMESPACE}:cluster", f"{NAMESPACE}:platform")
HEADER = """# yaml-language-server: $schema=./homelab.schema.json
# Settings of the lab; docs/configuration.md and docs/platform.md explain every key.
"""
Nodes = Annotated[
    list[str] | None,
    typer.Option("--node", metavar="'NAME=ADDRESS ROLE'", help="Machine to add; ROLE is server or agent; repeatable."),
]


def init(
    stack: StackName = "homelab",
    config_file: StackFile = None,
    *,
    domain: Annotated[str | None, typer.Option(help="DNS domain of the lab.")] = None,
    user: Annotated[str | None, typer.Option(help="SSH user on the machines, with passwordless sudo.")] = None,
    node: Nodes = None,
    vip: Annotated[
        str | None,
        typer.Option(help="Virtual IP of the Kubernetes API. With one server, '' uses the server's address."),
    ] = None,
    lan: Annotated[
        str | None,
        typer.Option(help="CIDR of the machines' network. Default: the /24 (IPv6: /64) of the first server."),
    ] = None,
    addresses: Annotated[
        str | None, typer.Option(help="IP range for LoadBalancer Services. With '', homelab installs no platform.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the lab's settings in an existing stack file without asking.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Pin the host keys without asking.")] = False,
) -> None:
    """Write a stack file from your answers to a few questions, then pin the machines' SSH host keys.

    Each option except `--lan` answers one question in advance. Exit code: 0 if the stack file is complete, 1 if host
    keys are missing or no file was written.
    """
    console, target = Console(), Stack(stack, config_file)
    with report_errors():
        before = target.file.read_text(encoding="utf-8") if target.file.exists() else ""
        if _has_lab(before) and not overwrite:
            question = (
                f"{target.file.name} already configures a lab. Replace its settings, and keep a copy of the file?"
            )
            typer.confirm(question, abort=True)
        options = {"domain": domain, "user": user, "vip": vip, "addresses": addresses}
        answers = ask_all(Interview(console), _start_answers(stack, before, lan), options, node or ())
        _write(console, target.file, before, _with_lab(before, answers))
    try:
        trust(stack, config_file, yes)
    except typer.Exit:
        which = f"--stack {stack}" + (f" --config-file {config_file}" if config_file else "")
        hint = f"The stack file lacks host keys: run `./homelab trust {which}` when all machines are reachable."
        console.print(hint, markup=False, soft_wrap=True)
        raise
    console.print(f"Next: `./homelab doctor --stack {stack}`.", markup=False, soft_wrap=True)


def _start_answers(stack: str, text: str, lan: str | None) -> Answers:
    answers = Answers(stack, SSH_KEY if f"{NAMESPACE}:{SSH_KEY}" in _config(text) else None)
    answers.cluster |= {"lan": lan} if lan else {}
    for option, key in ((f"--stack {stack}", "name"), (f"--lan {lan}", "lan")):
        if reason := answers.errors_at(f"{NAMESPACE}:cluster.{key}"):
            raise StackError(f"{option}: {reason}.")
    return answers


def _config(text: str) -> dict[str, Any]:
    return (stackfile_editor.yaml_in_style_of(text).load(text) or {}).get("config") or {}


def _has_lab(text: str) -> bool:
    return any(key in _config(text) for key in _OWN_KEYS)


def _with_lab(text: str, answers: Answers) -> str:
    """Return the stack file's text with the settings of the new lab.

    Keep the SSH key, the encryption salt and the settings of other Pulumi programs.
    """
    yaml = stackfile_editor.yaml_in_style_of(text)
    document = yaml.load(text) or CommentedMap()
    ssh_key = f"{NAMESPACE}:{answers.ssh_key}"
    existing = (document.get("config") or {}).items()
    others = {key: value for key, value in existing if key == ssh_key or not key.startswith(f"{NAMESPACE}:")}
    config = CommentedMap({_OWN_KEYS[0]: _cluster(answers.cluster)})
    if answers.platform:
        config[_OWN_KEYS[1]] = CommentedMap({key: _in_flow_style(value) for key, value in answers.platform.items()})
    config.update(others)
    rest = {key: value for key, value in document.items() if key != "config"}
    return HEADER + stackfile_editor.to_text(yaml, CommentedMap({"config": config} | rest))


def _cluster(answers: dict[str, Any]) -> CommentedMap:
    cluster = CommentedMap({key: answers[key] for key in ("domain", "lan", "api", "ssh", "nodes") if key in answers})
    if "api" in cluster:
        cluster["api"] = _in_flow_style(answers["api"])
        cluster.yaml_add_eol_comment("virtual IP: a free address of your network, held by one server at a time", "api")
    cluster["ssh"] = CommentedMap(answers["ssh"])
    if "agent" in cluster["ssh"]:
        cluster["ssh"].yaml_add_eol_comment("the keys of your SSH agent", "agent")
    else:
        cluster["ssh"]["privateKey"] = _in_flow_style(cluster["ssh"]["privateKey"])
    cluster["nodes"] = [CommentedMap(node) for node in answers["nodes"]]
    return cluster


def _in_flow_style(value: dict[str, Any]) -> CommentedMap:
    styled = CommentedMap(value)
    styled.fa.set_flow_style()
    return styled


def _write(console: Console, file: Path, before: str, text: str) -> None:
    if before:
        copy = file.with_name(f"{file.name}.{datetime.now():%Y%m%d-%H%M%S}")
        files.replace(copy, before, file.stat().st_mode & 0o777)
        console.print(f"{copy.name}: copy of the previous {file.name}.", markup=False, soft_wrap=True)
    files.replace(file, text, FILE_MODE if not before else None)
    console.print(f"{file.name}: written.", markup=False, soft_wrap=True)
