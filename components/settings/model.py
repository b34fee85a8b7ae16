"""Pydantic base class of all settings models.

Settings models are immutable, reject unknown keys, and omit values from error messages.
"""

import re

import pulumi
from pydantic import BaseModel, ConfigDict

from components.settings.fields import SecretName

NAMESPACE = "homelab"
"""Namespace of homelab's configuration keys in Pulumi, which is the name of the Pulumi project."""


def camel_case(name: str) -> str:
    """Convert the Python name of a field to its key in the stack file: `host_key` becomes `hostKey`."""
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def snake_case(key: str) -> str:
    """Convert a key of the stack file to the Python name of the field: `hostKey` becomes `host_key`."""
    return re.sub("[A-Z]", lambda match: f"_{match[0].lower()}", key)


class Model(BaseModel):
    """Base class of settings. Names of fields are snake_case in Python, and camelCase in the stack file."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=camel_case,
        hide_input_in_errors=True,
        defer_build=True,
    )


class SecretRef(Model):
    """A reference to a Pulumi secret of the stack, by the name of the secret.

    Settings contain only the names of secrets, and never the values of secrets.
    """

    secret: SecretName
    """Name of a Pulumi secret of the stack. Set the secret with `pulumi config set --secret NAME`."""

    def resolve(self) -> pulumi.Output[str]:
        """Return the secret's value as a secret Pulumi Output.

        Raises `pulumi.ConfigMissingError` if the stack has no secret with the name in `secret`.
        """
        return pulumi.Config(NAMESPACE).require_secret(self.secret)
