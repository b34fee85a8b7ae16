"""What Pulumi keeps of the stack: what tasks were given, enough to do their work again without it, and secrets."""

import json
from typing import Any

from pydantic import ValidationError

from operations.stack import Stack, StackError
from provider import given
from provider.model import Task

_TASK, _SECRET = "homelab:index:Task", "homelab:index:Secret"
_MARK = ("4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270")
"""How Pulumi marks a secret."""


def tasks(stack: Stack) -> dict[str, Task]:
    """Every task of the stack by name, as it was last given. Raises `StackError`."""
    return {
        _name(each): _task(stack, each)
        for each in stack.resources()
        if each["type"] == _TASK and not each.get("delete")
    }


def secret(stack: Stack, name: str) -> str:
    """A generated secret of the stack. Raises `StackError`."""
    for each in stack.resources():
        if each["type"] == _SECRET and _name(each) == name and not each.get("delete"):
            return str(plain(each["outputs"])["value"])
    raise StackError(f"Stack {stack.name} keeps no {name}: run `pulumi up` first.")


def _task(stack: Stack, resource: Any) -> Task:
    try:
        return given.task(plain(resource["inputs"]))
    except ValidationError:
        raise StackError(
            f"what stack {stack.name} keeps of {_name(resource)} is of another version of this program: use that one, "
            "or run `pulumi up` first."
        ) from None


def plain(value: Any) -> Any:
    """The same with secrets in clear."""
    if isinstance(value, dict):
        if value.get(_MARK[0]) == _MARK[1]:
            return plain(json.loads(value["plaintext"]))
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def _name(resource: Any) -> str:
    return str(resource["urn"]).split("::")[3]
