"""Admission of pods: where an image cannot be had, the pod runs a stand-in, and all around it stays real."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import yaml

STAND_IN = "homelab.local/pause:1"
ANNOTATION = "rehearsal.homelab/"
# What speaks to the program itself, which is not there.
ABOUT_PROGRAM = ("command", "args", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle")

Json = dict[str, Any]


def answer(review: Json, is_real: Callable[[str], bool]) -> Json:
    """The AdmissionReview that answers one for a pod; images that are real stay."""
    request = review["request"]
    response: Json = {"uid": request["uid"], "allowed": True}
    patch = changes(request["object"], lambda image: image == STAND_IN or is_real(image))
    if patch:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(json.dumps(patch).encode()).decode()
    return {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}


def changes(pod: Json, is_real: Callable[[str], bool]) -> list[Json]:
    """JSON patch that puts the stand-in into `pod`, and notes the images it takes out as annotations."""
    metadata, spec = pod.get("metadata", {}), pod["spec"]
    job = any(owner["kind"] == "Job" for owner in metadata.get("ownerReferences", ()))
    patch: list[Json] = []
    replaced: dict[str, str] = {}
    for field in ("initContainers", "containers"):
        containers: list[Json] = spec.get(field) or []
        absent = [container for container in containers if not is_real(container["image"])]
        if not absent:
            continue
        replaced |= {f"{ANNOTATION}{container['name']}": container["image"] for container in absent}
        stood_in = [
            _stand_in(container, ends=job or _prepares(field, container)) if container in absent else container
            for container in containers
        ]
        patch.append({"op": "replace", "path": f"/spec/{field}", "value": stood_in})
    if replaced:
        annotations = (metadata.get("annotations") or {}) | replaced
        patch.append({"op": "add", "path": "/metadata/annotations", "value": annotations})
    return patch


def configuration(url: str, authority: str) -> str:
    """Manifest that has the API server ask `url`, whose certificate the PEM `authority` signed."""
    bundle = base64.b64encode(authority.encode()).decode()
    webhook = {
        "name": "images.rehearsal.homelab",
        "clientConfig": {"url": url, "caBundle": bundle},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "failurePolicy": "Fail",
        "timeoutSeconds": 30,  # a registry on the Internet may have to be asked
        "sideEffects": "None",
        # an image that a later webhook adds is looked at too
        "reinvocationPolicy": "IfNeeded",
        "admissionReviewVersions": ["v1"],
    }
    manifest = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "rehearsal-images"},
        "webhooks": [webhook],
    }
    return yaml.safe_dump(manifest, sort_keys=False)


def _prepares(field: str, container: Mapping[str, Any]) -> bool:
    """Whether it must end before the pod's own containers start; a sidecar need not."""
    return field == "initContainers" and container.get("restartPolicy") != "Always"


def _stand_in(container: Json, *, ends: bool) -> Json:
    kept = {key: value for key, value in container.items() if key not in ABOUT_PROGRAM}
    kept |= {"image": STAND_IN, "imagePullPolicy": "IfNotPresent"}
    return kept | {"command": ["/pause", "exit"]} if ends else kept
