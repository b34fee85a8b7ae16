"""Earlier versions of a Deployment or StatefulSet, which Kubernetes keeps for a rollback."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from operations.app.parts import Part
from operations.kubectl import Kubectl, Object
from operations.pulumi_stack import StackError

_REVISION = "deployment.kubernetes.io/revision"
_IGNORED = {"labels": ("pod-template-hash",), "annotations": ("kubectl.kubernetes.io/restartedAt",)}
"""Metadata of a pod template that differs between two revisions of the same version."""


@dataclass(frozen=True)
class Revision:
    """A revision of a workload: the revision number and the pod template."""

    number: int
    template: Mapping[str, Any]


def previous(kubectl: Kubectl, part: Part, live: Object) -> Revision:
    """Return the newest revision of a workload whose pod template differs from the live pod template. Raises
    `StackError`.

    A restart creates a revision with the same app version, which a rollback must skip.
    """
    current = _version(live["spec"]["template"])
    found = [each for each in _revisions(kubectl, part, live) if _version(each.template) != current]
    if not found:
        raise StackError(
            f"{part.title} has no previous version: all revisions that Kubernetes keeps have the current version. "
            "Write the wanted image into the stack file, and run `pulumi up`."
        )
    return max(found, key=lambda each: each.number)


def require_config(kubectl: Kubectl, stack: str, revision: Revision) -> None:
    """Raise an error if a ConfigMap or Secret of the revision no longer exists, because the revision's pods could not
    start."""
    names = list(dict.fromkeys(_config_objects(revision.template["spec"])))
    existing = kubectl.output("get", *names, "--ignore-not-found", "--output=name").split() if names else []
    missing = [name for name in names if name not in existing]
    if missing:
        raise StackError(
            f"The pods of revision {revision.number} need {', '.join(missing)}, which `pulumi up` deleted after a "
            f"change of files or secrets. Put the previous settings back into the stack file, and run "
            f"`pulumi up --stack {stack}`."
        )


def image_of(template: Mapping[str, Any], container: str) -> str:
    """Return the image of a container in a pod template."""
    images = {each["name"]: str(each["image"]) for each in template["spec"]["containers"]}
    return images.get(container, next(iter(images.values())))


def _revisions(kubectl: Kubectl, part: Part, live: Object) -> Iterator[Revision]:
    selector = f"--selector={part.selector}"
    if part.kind == "Deployment":
        for each in _owned(kubectl.items("replicasets", selector), live):
            number = int((each["metadata"].get("annotations") or {}).get(_REVISION, 0))
            yield Revision(number, each["spec"]["template"])
    else:
        for each in _owned(kubectl.items("controllerrevisions", selector), live):
            yield Revision(int(each["revision"]), each["data"]["spec"]["template"])


def _owned(items: list[Object], owner: Object) -> Iterator[Object]:
    for item in items:
        owners = item["metadata"].get("ownerReferences") or ()
        if owner["metadata"]["uid"] in [each["uid"] for each in owners]:
            yield item


def _version(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a pod template without the metadata that differs between revisions of the same app version."""
    plain = copy.deepcopy(dict(template))
    plain.pop("$patch", None)
    metadata = plain.get("metadata") or {}
    kept = {
        field: {key: value for key, value in (metadata.get(field) or {}).items() if key not in ignored}
        for field, ignored in _IGNORED.items()
    }
    return plain | {"metadata": kept}


def _config_objects(spec: Mapping[str, Any]) -> Iterator[str]:
    """Yield the ConfigMaps and Secrets that pods need to start, such as `secret/shop-pull`."""
    yield from (f"secret/{each['name']}" for each in spec.get("imagePullSecrets") or ())
    for volume in spec.get("volumes") or ():
        if "configMap" in volume and not volume["configMap"].get("optional"):
            yield f"configmap/{volume['configMap']['name']}"
        if "secret" in volume and not volume["secret"].get("optional"):
            yield f"secret/{volume['secret']['secretName']}"
    for container in (*spec["containers"], *(spec.get("initContainers") or ())):
        for variable in container.get("env") or ():
            source = variable.get("valueFrom") or {}
            for key, kind in (("configMapKeyRef", "configmap"), ("secretKeyRef", "secret")):
                if key in source and not source[key].get("optional"):
                    yield f"{kind}/{source[key]['name']}"
