"""Reads generated secrets and the inputs of tasks from Pulumi's state, so that a restore can run the tasks again."""

import json
from typing import Any

from pydantic import ValidationError

from operations.pulumi_stack import Stack, StackError
from provider.model import Task
from provider.protocol import properties

_TASK, _SECRET = "homelab:index:Task", "homelab:index:Secret"
_MARK = ("4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270")
"""Key and value with which Pulumi marks a secret in its state."""


def tasks(stack: Stack) -> dict[str, Task]:
    """Return the inputs of the stack's task resources from the last `pulumi up`, by resource name.

    Raises `StackError`.
    """
    return {
        _name(resource): _task(stack, resource)
        for resource in stack.resources()
        if resource["type"] == _TASK and not resource.get("delete")
    }


def secret(stack: Stack, name: str) -> str:
    """Return the plaintext of a generated secret in the stack's state. Raises `StackError`."""
    for resource in stack.resources():
        if resource["type"] == _SECRET and _name(resource) == name and not resource.get("delete"):
            return str(decrypted(resource["outputs"])["value"])
    raise StackError(f"Pulumi's state of stack {stack.name} has no secret {name}: run `pulumi up` first.")


def _task(stack: Stack, resource: Any) -> Task:
    try:
        return properties.parse_task(decrypted(resource["inputs"]))
    except ValidationError:
        raise StackError(
            f"Pulumi's state of stack {stack.name} has the task {_name(resource)} of another homelab version: "
            "use that version, or run `pulumi up` first."
        ) from None


def decrypted(value: Any) -> Any:
    """Replace each secret that Pulumi marks in a value of its state with the plaintext of the secret."""
    if isinstance(value, dict):
        if value.get(_MARK[0]) == _MARK[1]:
            return decrypted(json.loads(value["plaintext"]))
        return {key: decrypted(inner) for key, inner in value.items()}
    return [decrypted(inner) for inner in value] if isinstance(value, list) else value


def _name(resource: Any) -> str:
    return str(resource["urn"]).split("::")[3]
