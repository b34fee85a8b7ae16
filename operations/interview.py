"""The questions of `./homelab init`: each answer is checked by the settings' own rules, and asked again if wrong."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import typer

from components.model import NAMESPACE
from operations import hostkeys
from operations.stack import StackError
from operations.talk import Console
from stacks.settings import Settings, SettingsError

_MACHINE = re.compile(r"(?P<name>[^=\s]+)\s*=\s*(?P<address>\S+)\s+(?P<role>\S+)")
_FORM = "write it as NAME=ADDRESS ROLE, such as pi-1=192.168.1.11 server"
_CLUSTER, _PLATFORM = f"{NAMESPACE}:cluster", f"{NAMESPACE}:platform"
Node = dict[str, str]


@dataclass
class Answers:
    """What is known of the lab so far."""

    stack: str
    ssh_key: str | None = None
    """Secret of the stack that holds the SSH key; without, an agent has it."""
    cluster: dict[str, Any] = field(default_factory=dict)
    platform: dict[str, Any] = field(default_factory=dict)

    def wrong(self, place: str, **cluster: Any) -> str:
        """What is wrong at a place of the stack file and below it, with these answers; nothing if all is right."""
        config = {"cluster": hostkeys.filled({"nodes": []} | self.cluster | cluster)}
        config |= {"platform": self.platform} if self.platform else {}
        try:
            Settings.parse(config, {self.ssh_key} if self.ssh_key else (), self.stack)
        except SettingsError as error:
            return "; ".join(f"{each.reason}; {each.fix}" for each in error.problems if _at(each.path, place))
        return ""

    def login(self, user: str) -> dict[str, Any]:
        """How to log in as that user."""
        return {"user": user} | ({"privateKey": {"secret": self.ssh_key}} if self.ssh_key else {"agent": True})


def _at(path: str, place: str) -> bool:
    return path == place or path.startswith((f"{place}.", f"{place}[", f"{place} "))


@dataclass(frozen=True)
class Interview:
    """Asks what no option answered; an option that is wrong ends it. Raises `StackError`."""

    console: Console

    def one(self, question: str, option: str, given: str | None, check: Callable[[str], str], usual: str = "") -> str:
        """The first answer that is right."""
        while True:
            answer = typer.prompt(question, usual, show_default=bool(usual)) if given is None else given
            if not (wrong := check(str(answer).strip())):
                return str(answer).strip()
            self._refuse(answer, wrong, option if given is not None else "")

    def machines(self, answers: Answers, given: Sequence[str]) -> list[Node]:
        """All machines: those of the options, or one after the other until an empty answer."""
        nodes: list[Node] = []
        for text in given:
            if wrong := self._add(answers, nodes, text):
                self._refuse(text, wrong, "--node")
        while not given:
            text = str(typer.prompt(_question(nodes), "", show_default=False)).strip()
            wrong = self._add(answers, nodes, text) if text else answers.wrong(f"{_CLUSTER}.nodes", nodes=nodes)
            if not (text or wrong):
                break
            if wrong:
                self._refuse(text, wrong, "")
        if wrong := answers.wrong(f"{_CLUSTER}.nodes", nodes=nodes):
            self._refuse(f"{len(nodes)} machines", wrong, "--node")
        return nodes

    def _add(self, answers: Answers, nodes: list[Node], text: str) -> str:
        """Take a machine, or with -NAME one away; returns what is wrong with that."""
        if text.startswith("-"):
            left = [node for node in nodes if node["name"] != text[1:]]
            if len(left) == len(nodes):
                return f"no machine is named {text[1:]}"
            nodes[:] = left
            return ""
        found = _MACHINE.fullmatch(text)
        if found is None:
            return _FORM
        node = {key: found[key] for key in ("name", "role", "address")}
        wrong = answers.wrong(f"{_CLUSTER}.nodes[{len(nodes)}]", nodes=[*nodes, node])
        if not wrong:
            nodes.append(node)
        return wrong

    def _refuse(self, answer: str, wrong: str, option: str) -> None:
        if option:
            raise StackError(f"{option} {answer}: {wrong}.")
        self.console.print(f"{answer}: {wrong}." if answer else f"{wrong}.", style="red", markup=False, soft_wrap=True)


def _question(nodes: Sequence[Node]) -> str:
    known = ", ".join(node["name"] for node in nodes)
    return f"Another machine (empty: no more; -NAME: not that one; have {known})" if nodes else f"A machine ({_FORM})"


def ask(interview: Interview, answers: Answers, given: dict[str, str | None], nodes: Sequence[str]) -> Answers:
    """Ask for everything that `given` and `nodes` do not answer; `answers` holds it all then."""
    cluster, only = answers.cluster, interview.one

    def about(place: str, put: Callable[[str], dict[str, Any]]) -> Callable[[str], str]:
        return lambda text: answers.wrong(f"{_CLUSTER}.{place}" if place else _CLUSTER, **put(text))

    check = about("domain", lambda text: {"domain": text})
    cluster["domain"] = only("Domain of the lab, such as lab.example.com", "--domain", given["domain"], check)
    check = about("ssh.user", lambda text: {"ssh": answers.login(text)})
    cluster["ssh"] = answers.login(only("SSH user on the machines", "--user", given["user"], check, "pi"))
    cluster["nodes"] = interview.machines(answers, nodes)
    several = sum(node["role"] == "server" for node in cluster["nodes"]) > 1
    note = "a free address of the lab" + ("" if several else "; empty: the server's own")
    check = about("", _api)
    cluster |= _api(only(f"Virtual address of the API ({note})", "--vip", given["vip"], check))
    question = "Addresses for what the platform offers, such as 192.168.1.200-192.168.1.220 (empty: no platform)"
    answers.platform = _platform(only(question, "--addresses", given["addresses"], _offered(answers)))
    return answers


def _api(vip: str) -> dict[str, Any]:
    return {"api": {"vip": vip}} if vip else {}


def _platform(addresses: str) -> dict[str, Any]:
    return {"metallb": {"addresses": [addresses]}, "certManager": {}, "traefik": {}} if addresses else {}


def _offered(answers: Answers) -> Callable[[str], str]:
    return lambda text: replace(answers, platform=_platform(text)).wrong(_PLATFORM)
