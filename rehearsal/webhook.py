"""The rehearsal's admission webhook for pods, which replaces unavailable images with a stand-in image that sleeps."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import yaml

STAND_IN_IMAGE = "homelab.local/pause:1"
ANNOTATION_PREFIX = "rehearsal.homelab/"
# a stand-in container does not support these fields, so the webhook removes the fields
PROGRAM_FIELDS = ("command", "args", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle")

Json = dict[str, Any]


def answer(review: Json, is_real: Callable[[str], bool]) -> Json:
    """Answer a pod's AdmissionReview with a patch that replaces images for which `is_real` is false."""
    request = review["request"]
    response: Json = {"uid": request["uid"], "allowed": True}
    patch = build_patch(request["object"], lambda image: image == STAND_IN_IMAGE or is_real(image))
    if patch:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(json.dumps(patch).encode()).decode()
    return {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}


def build_patch(pod: Json, is_real: Callable[[str], bool]) -> list[Json]:
    """Build the JSON patch that replaces unavailable images in `pod` and records the old images as annotations."""
    metadata, spec = pod.get("metadata", {}), pod["spec"]
    job = any(owner["kind"] == "Job" for owner in metadata.get("ownerReferences", ()))
    patch: list[Json] = []
    replaced: dict[str, str] = {}
    for field in ("initContainers", "containers"):
        containers: list[Json] = spec.get(field) or []
        absent = [container for container in containers if not is_real(container["image"])]
        if not absent:
            continue
        replaced |= {f"{ANNOTATION_PREFIX}{container['name']}": container["image"] for container in absent}
        stood_in = [
            _stand_in(container, ends=job or _prepares(field, container)) if container in absent else container
            for container in containers
        ]
        patch.append({"op": "replace", "path": f"/spec/{field}", "value": stood_in})
    if replaced:
        annotations = (metadata.get("annotations") or {}) | replaced
        patch.append({"op": "add", "path": "/metadata/annotations", "value": annotations})
    return patch


def configuration(url: str, ca: str) -> str:
    """Render the MutatingWebhookConfiguration for the webhook at `url`; `ca` is the webhook's CA certificate (PEM)."""
    bundle = base64.b64encode(ca.encode()).decode()
    webhook = {
        "name": "images.rehearsal.homelab",
        "clientConfig": {"url": url, "caBundle": bundle},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "failurePolicy": "Fail",
        "timeoutSeconds": 30,  # the webhook may have to query a registry on the Internet
        "sideEffects": "None",
        # Kubernetes calls the webhook again if another webhook changes the pod, because the change may add images
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
    """Return whether a container must end before other containers start: true for init containers, except sidecars."""
    return field == "initContainers" and container.get("restartPolicy") != "Always"


def _stand_in(container: Json, *, ends: bool) -> Json:
    stand_in = {key: value for key, value in container.items() if key not in PROGRAM_FIELDS}
    stand_in |= {"image": STAND_IN_IMAGE, "imagePullPolicy": "IfNotPresent"}
    return stand_in | {"command": ["/pause", "exit"]} if ends else stand_in
