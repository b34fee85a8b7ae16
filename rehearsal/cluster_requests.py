"""Answers requests that the cluster sends to the rehearsal's server: AdmissionReviews, and the requests with which the
Jobs of Helm hooks poll their result."""

import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

from rehearsal import admission, image_sources, webhook
from rehearsal.controllers.api import ApiClient, KubernetesApi
from rehearsal.controllers.run import servers
from rehearsal.image_sources import ImageSource
from rehearsal.upstream import Upstream

Json = dict[str, Any]
PODS_PATH, VALIDATE_PATH, JOBS_PATH = "/pods", "/validate/", "/jobs/"
IMAGES_FILE = "images.txt"
"""File in the folder of the lab's server: the images that are available, one per line."""
WEBHOOK_DELAY = 3.0  # seconds between a pod's readiness and the first answer of its webhook
WEBHOOK_DEPLOYMENTS = {
    "longhorn": ("longhorn-system", "longhorn-driver-deployer"),
}
"""Namespace and name of the Deployment that must be ready before the simulated webhook answers, by system."""
STORAGE_CLASSES = "/apis/storage.k8s.io/v1/storageclasses"


def api_of(state: Path) -> ApiClient:
    """Return a client for the Kubernetes API of a rehearsed lab; `state` is the folder of the rehearsal's server."""
    return ApiClient(servers(state.parent))


def answer_review(path: str, request: Json, state: Path, upstream: Upstream | None = None) -> Json | None:
    """Answer an AdmissionReview sent to `path`; return None while the simulated webhook is not ready."""
    if path == PODS_PATH:
        listed = frozenset(available_images(state))
        return webhook.answer(request, lambda image: _is_real(image, listed, state, upstream))
    system, api = path.removeprefix(VALIDATE_PATH), api_of(state)
    if system not in admission.RULES:
        raise KeyError(path)
    return admission.answer(system, request, api) if is_webhook_ready(api, system) else None


def _is_real(image: str, listed: frozenset[str], state: Path, upstream: Upstream | None) -> bool:
    choice = image_sources.choose(image, listed, upstream)
    image_sources.record(image, choice, state)
    return choice.source is not ImageSource.STAND_IN


def available_images(state: Path) -> list[str]:
    """Read the names of the available container images from the file IMAGES_FILE."""
    listed = state / IMAGES_FILE
    return listed.read_text().split() if listed.exists() else []


def is_webhook_ready(api: KubernetesApi, system: str) -> bool:
    """Return whether a simulated webhook is ready: WEBHOOK_DELAY seconds after its Deployment becomes available."""
    namespace, name = WEBHOOK_DEPLOYMENTS[system]
    deployment = api.read(f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}")
    status = (deployment or {}).get("status") or {}
    if not status.get("readyReplicas"):
        return False
    times = [
        condition["lastTransitionTime"]
        for condition in status.get("conditions") or ()
        if condition["type"] == "Available"
    ]
    since = datetime.datetime.fromisoformat(times[0]) if times else datetime.datetime.now(datetime.UTC)
    return (datetime.datetime.now(datetime.UTC) - since).total_seconds() >= WEBHOOK_DELAY


def job_status(path: str, state: Path) -> HTTPStatus:
    """Return the HTTP status that the Job of a Helm hook polls: OK (success), CONFLICT (failure), or any other status
    (poll again)."""
    return (
        uninstall_longhorn(api_of(state))
        if path.removeprefix(JOBS_PATH) == "longhorn-uninstall"
        else HTTPStatus.NOT_FOUND
    )


def uninstall_longhorn(api: KubernetesApi) -> HTTPStatus:
    """If Longhorn's `deleting-confirmation-flag` is true, delete Longhorn's workloads, and then its StorageClass."""
    namespace = WEBHOOK_DEPLOYMENTS["longhorn"][0]
    if not is_deletion_confirmed(api, namespace):
        return HTTPStatus.CONFLICT
    apps = f"/apis/apps/v1/namespaces/{namespace}"
    programs = [f"{apps}/deployments/longhorn-driver-deployer", f"{apps}/daemonsets/longhorn-manager"]
    remaining = [path for path in programs if api.read(path)]
    for path in remaining:
        api.delete(path)
    if remaining:
        return HTTPStatus.SERVICE_UNAVAILABLE
    api.delete(f"{STORAGE_CLASSES}/longhorn")
    return HTTPStatus.OK


def is_deletion_confirmed(api: KubernetesApi, namespace: str) -> bool:
    """Return the value of Longhorn's `deleting-confirmation-flag`; the flag's default is in the chart's values."""
    flag = "deleting-confirmation-flag"
    setting = api.read(f"/apis/longhorn.io/v1beta2/namespaces/{namespace}/settings/{flag}")
    if setting:
        return setting.get("value") == "true"
    defaults = api.read(f"/api/v1/namespaces/{namespace}/configmaps/longhorn-default-setting")
    values = yaml.safe_load((defaults or {}).get("data", {}).get("default-setting.yaml") or "") or {}
    return str(values.get(flag, "")).lower() == "true"
