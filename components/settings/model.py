"""Base class of all settings models. Models are frozen, reject unknown keys, and omit values from error messages."""

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

from components.settings.fields import SecretName

NAMESPACE = "homelab"
"""Namespace of homelab's configuration keys, which is the name of the Pulumi project."""
LENIENT = {"lenient": True}
"""Validation context that replaces invalid values with `UNKNOWN` instead of raising an error."""


class UnknownValueError(Exception):
    """Raised when code reads a field whose value is missing or invalid in the configuration."""


UNKNOWN: Any = object()
"""Placeholder for an invalid value. Reading a field with this value raises `UnknownValueError`."""


def camel_case(name: str) -> str:
    """Convert a Python field name to its key in the stack file: `host_key` becomes `hostKey`."""
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def snake_case(key: str) -> str:
    """Convert a key of the stack file to its Python field name: `hostKey` becomes `host_key`."""
    return re.sub("[A-Z]", lambda match: f"_{match[0].lower()}", key)


class Model(BaseModel):
    """Base class of settings. Fields are snake_case in Python and camelCase in the stack file."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=camel_case,
        hide_input_in_errors=True,
        defer_build=True,
    )

    if not TYPE_CHECKING:  # with this method visible, a type checker would accept any attribute

        def __getattribute__(self, name: str) -> Any:
            value = super().__getattribute__(name)
            if value is UNKNOWN:
                raise UnknownValueError(name)
            return value

    @model_validator(mode="before")
    @classmethod
    def _mark_missing_fields(cls, raw: Any, info: ValidationInfo) -> Any:
        if not info.context:
            return raw
        mapping = raw if isinstance(raw, Mapping) else {}
        fields = {camel_case(name): field for name, field in cls.model_fields.items()}
        missing = {key: UNKNOWN for key, field in fields.items() if field.is_required() or mapping is not raw}
        entries = {key for key in mapping if isinstance(key, str)} if cls.model_config["extra"] == "allow" else set()
        return missing | {key: value for key, value in mapping.items() if key in fields.keys() | entries}

    @field_validator("*", mode="wrap")
    @classmethod
    def _mark_invalid_field(cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        if value is UNKNOWN:
            return value
        try:
            return handler(value)
        except ValidationError:
            if info.context:
                return UNKNOWN
            raise


class SecretRef(Model):
    """A reference to a secret of the stack by the secret's name. Settings never contain the secret's value."""

    secret: SecretName
    """Name of a secret in the stack's configuration, set with `pulumi config set --secret NAME`."""

    def resolve(self) -> pulumi.Output[str]:
        """Return the value as a secret Pulumi Output. Raises `pulumi.ConfigMissingError` if the secret is missing."""
        return pulumi.Config(NAMESPACE).require_secret(self.secret)
