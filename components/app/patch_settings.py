"""Settings of an app's patches."""

from dataclasses import dataclass
from typing import Annotated, Any

from components.settings.kubernetes_fields import ObjectName, matching
from components.settings.model import Model


@dataclass(frozen=True)
class _TypeName:
    """Name that the reference documentation shows for a type."""

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
    """Kind of the Kubernetes objects to patch, such as Deployment."""
    name: ObjectName | None = None
    """Name of the object to patch, as `pulumi preview` shows it: without a generated suffix. Default: homelab applies
    the patch to all of the app's objects of this `kind`."""
    patch: ObjectFields
    """Fields that the patch adds or changes in the objects; the value null removes a field. In a list with a merge key,
    such as `containers` or `env`, homelab merges the elements with the same key; all other lists are replaced."""
