"""Secrets on the wire between program and engine: each value in an envelope that says so."""

from collections.abc import Iterator
from typing import Any

from pulumi.runtime import rpc


def sealed(value: Any) -> dict[str, Any]:
    """A secret's envelope on the wire."""
    return {rpc._special_sig_key: rpc._special_secret_sig, "value": value}


def is_sealed(value: Any) -> bool:
    return isinstance(value, dict) and value.get(rpc._special_sig_key) == rpc._special_secret_sig


def unsealed(value: Any) -> Any:
    """The value without any envelope."""
    if is_sealed(value):
        return unsealed(value["value"])
    if isinstance(value, dict):
        return {key: unsealed(inner) for key, inner in value.items()}
    return [unsealed(inner) for inner in value] if isinstance(value, list) else value


def texts(value: Any, secret: bool = False) -> Iterator[tuple[str, bool]]:
    """Every text within a value, keys too, and whether an envelope is around it."""
    if is_sealed(value):
        yield from texts(value["value"], True)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key, secret
            yield from texts(inner, secret)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner, secret)
    elif isinstance(value, str):
        yield value, secret
