"""The questions of `./homelab init`. The Pydantic models of the stack file validate each answer."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import typer

from components.settings.model import NAMESPACE
from operations import host_keys
from operations.console import Console
from operations.pulumi_stack import StackError
from stacks.settings import LabStack, SettingsError

_MACHINE = re.compile(r"(?P<name>[^=\s]+)\s*=\s*(?P<address>\S+)\s+(?P<role>\S+)")
_FORM = "use the form NAME=ADDRESS ROLE, such as pi-1=192.168.1.11 server"
_CLUSTER, _PLATFORM = f"{NAMESPACE}:cluster", f"{NAMESPACE}:platform"
Node = dict[str, str]


@dataclass
class Answers:
    """The lab's settings, which `./homelab init` collects from the user's answers."""

    stack: str
    ssh_key: str | None = None
    """Name of the stack secret that contains the SSH private key; with None, homelab uses the SSH agent."""
    cluster: dict[str, Any] = field(default_factory=dict)
    platform: dict[str, Any] = field(default_factory=dict)

    def errors_at(self, path: str, **cluster: Any) -> str:
        """Return the validation errors of the setting at `path` and of its nested settings, or an empty string."""
        config = {"cluster": host_keys.with_placeholders({"nodes": []} | self.cluster | cluster)}
        config |= {"platform": self.platform} if self.platform else {}
        try:
            LabStack.parse(config, {self.ssh_key} if self.ssh_key else (), self.stack)
        except SettingsError as error:
            problems = (problem for problem in error.problems if _within(problem.path, path))
            return "; ".join(f"{problem.reason}; {problem.fix}" for problem in problems)
        return ""

    def ssh_settings(self, user: str) -> dict[str, Any]:
        """Return the stack file's `ssh` settings for SSH logins as `user`."""
        return {"user": user} | ({"privateKey": {"secret": self.ssh_key}} if self.ssh_key else {"agent": True})


def _within(path: str, parent: str) -> bool:
    return path == parent or path.startswith((f"{parent}.", f"{parent}[", f"{parent} "))


@dataclass(frozen=True)
class Interview:
    """Prompts for every answer that the command line does not contain.

    An invalid command-line option raises `StackError`.
    """

    console: Console

    def ask_one(
        self, question: str, option: str, option_value: str | None, check: Callable[[str], str], usual: str = ""
    ) -> str:
        """Return the value of a command-line option; without the option, prompt until the answer is valid."""
        while True:
            answer = typer.prompt(question, usual, show_default=bool(usual)) if option_value is None else option_value
            if not (reason := check(str(answer).strip())):
                return str(answer).strip()
            self._refuse(answer, reason, option if option_value is not None else "")

    def ask_machines(self, answers: Answers, options: Sequence[str]) -> list[Node]:
        """Return the machines of the `--node` options; without `--node`, prompt for machines until an empty answer."""
        nodes: list[Node] = []
        for text in options:
            if reason := self._add(answers, nodes, text):
                self._refuse(text, reason, "--node")
        while not options:
            text = str(typer.prompt(_question(nodes), "", show_default=False)).strip()
            reason = self._add(answers, nodes, text) if text else answers.errors_at(f"{_CLUSTER}.nodes", nodes=nodes)
            if not (text or reason):
                break
            if reason:
                self._refuse(text, reason, "")
        if reason := answers.errors_at(f"{_CLUSTER}.nodes", nodes=nodes):
            self._refuse(f"{len(nodes)} machines", reason, "--node")
        return nodes

    def _add(self, answers: Answers, nodes: list[Node], text: str) -> str:
        """Add the machine that `text` describes to `nodes`, or remove the machine NAME if `text` is `-NAME`.

        Return an error message, or an empty string if the answer is valid.
        """
        if text.startswith("-"):
            remaining = [node for node in nodes if node["name"] != text[1:]]
            if len(remaining) == len(nodes):
                return f"no machine is named {text[1:]}"
            nodes[:] = remaining
            return ""
        match = _MACHINE.fullmatch(text)
        if match is None:
            return _FORM
        node = {key: match[key] for key in ("name", "role", "address")}
        reason = answers.errors_at(f"{_CLUSTER}.nodes[{len(nodes)}]", nodes=[*nodes, node])
        if not reason:
            nodes.append(node)
        return reason

    def _refuse(self, answer: str, reason: str, option: str) -> None:
        if option:
            raise StackError(f"{option} {answer}: {reason}.")
        text = f"{answer}: {reason}." if answer else f"{reason}."
        self.console.print(text, style="red", markup=False, soft_wrap=True)


def _question(nodes: Sequence[Node]) -> str:
    names = ", ".join(node["name"] for node in nodes)
    return (
        f"Next machine (empty: no more machines; -NAME: remove a machine; so far: {names})"
        if nodes
        else f"First machine ({_FORM})"
    )


def ask_all(interview: Interview, answers: Answers, options: dict[str, str | None], nodes: Sequence[str]) -> Answers:
    """Fill `answers` from the command-line options, and prompt for each missing answer.

    Return `answers`, which then contains all answers.
    """
    cluster, answer = answers.cluster, interview.ask_one

    def validator(path: str, settings_for: Callable[[str], dict[str, Any]]) -> Callable[[str], str]:
        return lambda text: answers.errors_at(f"{_CLUSTER}.{path}" if path else _CLUSTER, **settings_for(text))

    check = validator("domain", lambda text: {"domain": text})
    cluster["domain"] = answer("DNS domain of the lab, such as lab.example.com", "--domain", options["domain"], check)
    check = validator("ssh.user", lambda text: {"ssh": answers.ssh_settings(text)})
    cluster["ssh"] = answers.ssh_settings(answer("SSH user on the machines", "--user", options["user"], check, "pi"))
    cluster["nodes"] = interview.ask_machines(answers, nodes)
    is_ha = sum(node["role"] == "server" for node in cluster["nodes"]) > 1
    note = "a free IP address of the network" + ("" if is_ha else "; empty: use the server's address")
    check = validator("", _api)
    cluster |= _api(answer(f"Virtual IP of the API ({note})", "--vip", options["vip"], check))
    question = "IP range for LoadBalancer services, such as 192.168.1.200-192.168.1.220 (empty: no platform)"
    answers.platform = _platform(answer(question, "--addresses", options["addresses"], _platform_validator(answers)))
    return answers


def _api(vip: str) -> dict[str, Any]:
    return {"api": {"vip": vip}} if vip else {}


def _platform(addresses: str) -> dict[str, Any]:
    return {"metallb": {"addresses": [addresses]}, "certManager": {}, "traefik": {}} if addresses else {}


def _platform_validator(answers: Answers) -> Callable[[str], str]:
    return lambda text: replace(answers, platform=_platform(text)).errors_at(_PLATFORM)
