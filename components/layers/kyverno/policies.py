"""Baseline policies for pods, as Kyverno objects."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Annotated

from components.kubernetes.manifest import Json, Manifest
from components.platform.layer import LAYER_LABEL
from components.settings.errors import setting_error
from components.settings.fields import TextType

SYSTEM_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease")
_SOURCE = "[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9._-]+)*"
_HUB = "docker.io"
_CONTAINERS = "object.spec.containers + object.spec.?initContainers.orValue([])"
_RUNNING = f"{_CONTAINERS} + object.spec.?ephemeralContainers.orValue([])"
_VERSIONED = "c.image.matches('(@sha256:[0-9a-f]{64}|:[^/:@]+)$') && !c.image.endsWith(':latest')"


def _source(value: str) -> str:
    if not re.fullmatch(_SOURCE, value, re.ASCII):
        fix = "write host or host:port, optionally with a path such as ghcr.io/owner, without scheme or trailing slash"
        raise setting_error("is not a registry", fix)
    return value


ImageSource = Annotated[str, TextType("registry, or a path in one", _source, _SOURCE)]


def baseline(sources: Sequence[str], exempt: Sequence[str], *, enforced: bool) -> Iterator[Manifest]:
    """Yield the policies. If `sources` is empty, images may come from any registry."""
    rules = {
        "no-privileged": (
            _RUNNING,
            "!c.?securityContext.privileged.orValue(false)",
            "no container may be privileged",
        ),
        "memory-limits": (
            _CONTAINERS,
            "c.?resources.?limits.?memory.hasValue()",
            "every container needs a limit of memory",
        ),
        "image-versions": (_RUNNING, _VERSIONED, "every image needs a tag other than latest, or a digest"),
    }
    if sources:
        message = f"images may come from {', '.join(sources)} only"
        rules["image-sources"] = (_RUNNING, _from_sources(sources), message)
    for name, rule in rules.items():
        yield _policy(name, rule, exempt, enforced=enforced)


def _from_sources(sources: Sequence[str]) -> str:
    prefixes = json.dumps([f"{source}/" for source in sources])
    listed = f"{prefixes}.exists(source, c.image.startsWith(source))"
    # an image name without a registry host is an image of Docker Hub
    return f"{listed} || !c.image.matches('^[^/]*[.:][^/]*/')" if _HUB in sources else listed


def namespace_selector(namespaces: Sequence[str]) -> Json:
    """Return a namespace selector that excludes `namespaces`, and the namespaces of Kubernetes and layers."""
    name = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": [*SYSTEM_NAMESPACES, *namespaces]}
    return {"matchExpressions": [name, {"key": LAYER_LABEL, "operator": "DoesNotExist"}]}


def _policy(name: str, rule: tuple[str, str, str], exempt: Sequence[str], *, enforced: bool) -> Manifest:
    containers, expression, message = rule
    validation = f"variables.containers.all(c, {expression})"
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["pods"]}
    spec = {
        "validationActions": ["Deny"] if enforced else ["Audit"],
        "failurePolicy": "Fail" if enforced else "Ignore",
        "evaluation": {"background": {"enabled": True}},
        "matchConstraints": {"resourceRules": [pods], "namespaceSelector": namespace_selector(exempt)},
        "variables": [{"name": "containers", "expression": containers}],
        "validations": [{"expression": validation, "message": message}],
    }
    version = "policies.kyverno.io/v1"
    return {"apiVersion": version, "kind": "ValidatingPolicy", "metadata": {"name": name}, "spec": spec}
