"""Settings of an app's patches."""

from dataclasses import dataclass
from typing import Annotated, Any

from components.settings.kubernetes_fields import ObjectName, matching
from components.settings.model import Model


@dataclass(frozen=True)
class _TypeName:
    """Name of a type in the reference."""

    name: str


ObjectFields = Annotated[dict[str, Any], _TypeName("fields of a Kubernetes object")]
ObjectKind = Annotated[
    str,
    matching(
        "Kubernetes kind", "[A-Z][A-Za-z0-9]*", "write the singular in upper camel case, such as Deployment or Service"
    ),
]


class AppPatchSettings(Model):
    """A patch of the app's Kubernetes objects of one kind, in the format of `kubectl patch`."""

    kind: ObjectKind
    """Kind of the objects, such as Deployment."""
    name: ObjectName | None = None
    """Name of the object in Pulumi's preview, which is the name without a generated suffix. Default: the patch applies
    to all objects of the kind."""
    patch: ObjectFields
    """Fields to add or change; null removes a field. Elements of containers, volumes, env and other lists with a merge
    key are merged, and all other lists are replaced."""
