"""Settings of an app's ServiceAccount, with which its pods use the Kubernetes API."""

from typing import Annotated, Literal

from pydantic import AfterValidator

from components.settings.errors import setting_error
from components.settings.fields import StrictBool, Text
from components.settings.kubernetes_fields import matching
from components.settings.model import Model

Verb = Literal["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]
READ: tuple[Verb, ...] = ("get", "list", "watch")


ApiGroup = Annotated[str, matching("API group", "[a-z0-9.-]*", "write it as in `kubectl api-resources`, such as apps")]
Resource = Annotated[
    str, matching("plural of a resource", "[a-z0-9]+(/[a-z]+)?", "write it as in `kubectl api-resources`, such as pods")
]


def _not_empty(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise setting_error("is empty", "list at least one entry")
    return values


class AppPolicyRuleSettings(Model):
    """A rule of a Kubernetes Role (PolicyRule)."""

    api_groups: Annotated[tuple[ApiGroup, ...], AfterValidator(_not_empty)]
    """API groups of the resources, such as `apps`; the API group of pods and ConfigMaps is `""`."""
    resources: Annotated[tuple[Resource, ...], AfterValidator(_not_empty)]
    """Resources by their plural, such as `pods` or `pods/log`."""
    verbs: Annotated[tuple[Verb, ...], AfterValidator(_not_empty)]
    """Allowed verbs, such as `get`, `list` and `watch`."""
    resource_names: tuple[Text, ...] = ()
    """Names of the objects to which the rule applies. Default: all objects."""


class AppServiceAccountSettings(Model):
    """A ServiceAccount, whose token the app's containers mount. The NetworkPolicies of the app allow connections to the
    Kubernetes API."""

    rules: tuple[AppPolicyRuleSettings, ...] = ()
    """Rules of the Role that the ServiceAccount has in the app's namespace. Default: none."""
    cluster_read: StrictBool = False
    """Whether the app reads objects of all namespaces, except Secrets and ConfigMaps. The platform's stack file must
    list the app in `cluster.apps.clusterRead`."""
