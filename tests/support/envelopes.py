"""Secrets between the Pulumi program and the engine: each value is in an envelope that marks it as secret."""

from collections.abc import Iterator
from typing import Any

from pulumi.runtime import rpc


def sealed(value: Any) -> dict[str, Any]:
    """Put a value into an envelope."""
    return {rpc._special_sig_key: rpc._special_secret_sig, "value": value}


def is_sealed(value: Any) -> bool:
    return isinstance(value, dict) and value.get(rpc._special_sig_key) == rpc._special_secret_sig


def unsealed(value: Any) -> Any:
    """Remove all envelopes from a value."""
    if is_sealed(value):
        return unsealed(value["value"])
    if isinstance(value, dict):
        return {key: unsealed(inner) for key, inner in value.items()}
    return [unsealed(inner) for inner in value] if isinstance(value, list) else value


def texts(value: Any, secret: bool = False) -> Iterator[tuple[str, bool]]:
    """Yield every text within a value, including keys, and whether the text is in an envelope."""
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
