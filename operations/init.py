"""`./homelab init`: asks a few questions, writes a stack file, and pins the host keys of its machines."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from ruamel.yaml.comments import CommentedMap

from components.model import NAMESPACE
from operations import files, talk
from operations import stackfile as edit
from operations.interview import Answers, Interview, ask
from operations.stack import Stack, StackError, StackFile, StackName
from operations.talk import Console
from operations.trust import trust

MODE = 0o644
SSH_KEY = "sshKey"
"""Secret that is used if it is in the file already: `pulumi config set --secret sshKey < KEY`."""
_OURS = (f"{NAMESPACE}:cluster", f"{NAMESPACE}:platform")
HEAD = """# yaml-language-server: $schema=./homelab.schema.json
# The lab: every key is explained in docs/configuration.md and docs/platform.md.
"""
Nodes = Annotated[
    list[str] | None,
    typer.Option("--node", metavar="'NAME=ADDRESS ROLE'", help="A machine, a server or an agent; may be repeated."),
]


def init(
    stack: StackName = "homelab",
    config_file: StackFile = None,
    *,
    domain: Annotated[str | None, typer.Option(help="Domain of the lab.")] = None,
    user: Annotated[str | None, typer.Option(help="User to log in as on the machines, who may use sudo.")] = None,
    node: Nodes = None,
    vip: Annotated[str | None, typer.Option(help="Virtual address of the API; '' for a single server's own.")] = None,
    lan: Annotated[str | None, typer.Option(help="Network of the machines, if it is no /24. Not asked for.")] = None,
    addresses: Annotated[str | None, typer.Option(help="Addresses for the platform's services; '' for none.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the lab in the file without asking.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Pin the machines' host keys without asking.")] = False,
) -> None:
    """Write a stack file after a few questions; an option answers one. Host keys are asked for and shown.

    Ends with 0 if the file is complete, with 1 if host keys are missing or nothing was written.
    """
    console, place = Console(), Stack(stack, config_file)
    with talk.guarded():
        before = place.file.read_text(encoding="utf-8") if place.file.exists() else ""
        if _has_lab(before) and not overwrite:
            question = f"{place.file.name} describes a lab. Replace it? A copy is kept. (--overwrite answers this)"
            typer.confirm(question, abort=True)
        given = {"domain": domain, "user": user, "vip": vip, "addresses": addresses}
        answers = ask(Interview(console), _begin(stack, before, lan), given, node or ())
        _write(console, place.file, before, _with_lab(before, answers))
    try:
        trust(stack, config_file, yes)
    except typer.Exit:
        which = f"--stack {stack}" + (f" --config-file {config_file}" if config_file else "")
        again = f"The file is complete but for host keys: `./homelab trust {which}` when all machines answer."
        console.print(again, markup=False, soft_wrap=True)
        raise
    console.print(f"Go on with `./homelab doctor --stack {stack}`.", markup=False, soft_wrap=True)


def _begin(stack: str, text: str, lan: str | None) -> Answers:
    answers = Answers(stack, SSH_KEY if f"{NAMESPACE}:{SSH_KEY}" in _config(text) else None)
    answers.cluster |= {"lan": lan} if lan else {}
    for option, place in ((f"--stack {stack}", "name"), (f"--lan {lan}", "lan")):
        if wrong := answers.wrong(f"{NAMESPACE}:cluster.{place}"):
            raise StackError(f"{option}: {wrong}.")
    return answers


def _config(text: str) -> dict[str, Any]:
    return (edit.in_style_of(text).load(text) or {}).get("config") or {}


def _has_lab(text: str) -> bool:
    return any(key in _config(text) for key in _OURS)


def _with_lab(text: str, answers: Answers) -> str:
    """The stack file with this lab; what is not this program's stays, and so do an SSH key and the secrets' salt."""
    yaml = edit.in_style_of(text)
    document = yaml.load(text) or CommentedMap()
    used = f"{NAMESPACE}:{answers.ssh_key}"
    given = (document.get("config") or {}).items()
    others = {key: value for key, value in given if key == used or not key.startswith(f"{NAMESPACE}:")}
    config = CommentedMap({_OURS[0]: _cluster(answers.cluster)})
    if answers.platform:
        config[_OURS[1]] = CommentedMap({key: _flow(value) for key, value in answers.platform.items()})
    config.update(others)
    rest = {key: value for key, value in document.items() if key != "config"}
    return HEAD + edit.dumped(yaml, CommentedMap({"config": config} | rest))


def _cluster(given: dict[str, Any]) -> CommentedMap:
    made = CommentedMap({key: given[key] for key in ("domain", "lan", "api", "ssh", "nodes") if key in given})
    if "api" in made:
        made["api"] = _flow(given["api"])
        made.yaml_add_eol_comment("a free address of the lab; one of the servers holds it at any time", "api")
    made["ssh"] = CommentedMap(given["ssh"])
    if "agent" in made["ssh"]:
        made["ssh"].yaml_add_eol_comment("the keys of your SSH agent", "agent")
    else:
        made["ssh"]["privateKey"] = _flow(made["ssh"]["privateKey"])
    made["nodes"] = [CommentedMap(node) for node in given["nodes"]]
    return made


def _flow(value: dict[str, Any]) -> CommentedMap:
    made = CommentedMap(value)
    made.fa.set_flow_style()
    return made


def _write(console: Console, file: Path, before: str, text: str) -> None:
    if before:
        copy = file.with_name(f"{file.name}.{datetime.now():%Y%m%d-%H%M%S}")
        files.replace(copy, before, file.stat().st_mode & 0o777)
        console.print(f"{copy.name} is as {file.name} was.", markup=False, soft_wrap=True)
    files.replace(file, text, MODE if not before else None)
    console.print(f"{file.name} describes the lab now.", markup=False, soft_wrap=True)
