"""The base of every settings model: frozen, unknown keys refused, values never echoed in errors."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pulumi
from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from components.fields import SecretName

NAMESPACE = "homelab"
"""Namespace of our configuration keys, which is the name of the project."""
LENIENT = {"lenient": True}
"""Validation context in which what is wrong becomes `UNKNOWN` instead of an error."""


class NotKnownError(Exception):
    """A field was read that the configuration does not say correctly."""


UNKNOWN: Any = object()
"""Stands where a value is wrong: whoever reads such a field learns so by `NotKnownError`."""


def camel(name: str) -> str:
    """Return a field's name as the stack file writes it: `host_key` is `hostKey`."""
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def snake(key: str) -> str:
    """Return a key of the stack file as Python writes it: `hostKey` is `host_key`."""
    return re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", key)


class Model(BaseModel):
    """Settings: snake_case in Python, camelCase in the stack file."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=camel,
        hide_input_in_errors=True,
        defer_build=True,
    )

    if not TYPE_CHECKING:  # a type checker would take any attribute for granted

        def __getattribute__(self, name: str) -> Any:
            value = super().__getattribute__(name)
            if value is UNKNOWN:
                raise NotKnownError(name)
            return value

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, raw: Any, info: ValidationInfo) -> Any:
        if not info.context:
            return raw
        given = raw if isinstance(raw, Mapping) else {}
        fields = {camel(name): field for name, field in cls.model_fields.items()}
        missing = {key: UNKNOWN for key, field in fields.items() if field.is_required() or given is not raw}
        return missing | {key: value for key, value in given.items() if key in fields}

    @field_validator("*", mode="wrap")
    @classmethod
    def _let_pass(cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        if value is UNKNOWN:
            return value
        try:
            return handler(value)
        except ValidationError:
            if info.context:
                return UNKNOWN
            raise


class SecretRef(Model):
    """A secret of the stack by its name; its value never stands among the settings."""

    secret: SecretName
    """Name of the stack's secret, set with `pulumi config set --secret NAME`."""

    def resolve(self) -> pulumi.Output[str]:
        """Return the secret's value, marked as secret. Raises `pulumi.ConfigMissingError` without one."""
        return pulumi.Config(NAMESPACE).require_secret(self.secret)
