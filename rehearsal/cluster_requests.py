"""Requests of the cluster to the rehearsal's server: admission reviews, and the outcome of charts' jobs."""

import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

from rehearsal import admission, image_sources, webhook
from rehearsal.controllers.api import Api, Objects
from rehearsal.controllers.run import servers
from rehearsal.image_sources import Rung
from rehearsal.upstream import Upstream

Json = dict[str, Any]
PODS, VALIDATE, JOBS = "/pods", "/validate/", "/jobs/"
IMAGES = "images.txt"
"""File in the folder of the lab's server: the images that are available, one per line."""
LATE = 3.0  # seconds between a pod's readiness and the first answer of its webhook
DEPLOYMENTS = {
    "longhorn": ("longhorn-system", "longhorn-driver-deployer"),
}
"""The Deployment (namespace and name) whose webhook is simulated, by system."""
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"


def api_of(state: Path) -> Api:
    """Return the Kubernetes API of the lab whose server has the folder `state`."""
    return Api(servers(state.parent))


def review(path: str, asked: Json, state: Path, upstream: Upstream | None = None) -> Json | None:
    """Answer an AdmissionReview sent to `path`; None means no answer, as from a webhook that is not ready."""
    if path == PODS:
        listed = frozenset(real_images(state))
        return webhook.answer(asked, lambda image: _is_real(image, listed, state, upstream))
    system, api = path.removeprefix(VALIDATE), api_of(state)
    if system not in admission.RULES:
        raise KeyError(path)
    return admission.answer(system, asked, api) if serves(api, system) else None


def _is_real(image: str, listed: frozenset[str], state: Path, upstream: Upstream | None) -> bool:
    source = image_sources.rung(image, listed, upstream)
    image_sources.note(image, source, state)
    return source is not Rung.STAND_IN


def real_images(state: Path) -> list[str]:
    """Return the images that are available."""
    listed = state / IMAGES
    return listed.read_text().split() if listed.exists() else []


def serves(api: Objects, system: str) -> bool:
    """Return whether a system's webhook is ready, LATE seconds after its Deployment."""
    namespace, name = DEPLOYMENTS[system]
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
    return (datetime.datetime.now(datetime.UTC) - since).total_seconds() >= LATE


def question(path: str, state: Path) -> HTTPStatus:
    """Answer a chart's job: OK lets the job succeed, CONFLICT lets it fail, any other status lets it wait."""
    return uninstall(api_of(state)) if path.removeprefix(JOBS) == "longhorn-uninstall" else HTTPStatus.NOT_FOUND


def uninstall(api: Objects) -> HTTPStatus:
    """Uninstall Longhorn as its own job does: only if deletion is confirmed, and workloads first."""
    namespace = DEPLOYMENTS["longhorn"][0]
    if not confirmed(api, namespace):
        return HTTPStatus.CONFLICT
    apps = f"/apis/apps/v1/namespaces/{namespace}"
    programs = [f"{apps}/deployments/longhorn-driver-deployer", f"{apps}/daemonsets/longhorn-manager"]
    remaining = [path for path in programs if api.read(path)]
    for path in remaining:
        api.delete(path)
    if remaining:
        return HTTPStatus.SERVICE_UNAVAILABLE
    api.delete(f"{CLASSES}/longhorn")
    return HTTPStatus.OK


def confirmed(api: Objects, namespace: str) -> bool:
    """Return whether deletion is confirmed, by Longhorn's own setting or else by the chart's values."""
    flag = "deleting-confirmation-flag"
    setting = api.read(f"/apis/longhorn.io/v1beta2/namespaces/{namespace}/settings/{flag}")
    if setting:
        return setting.get("value") == "true"
    defaults = api.read(f"/api/v1/namespaces/{namespace}/configmaps/longhorn-default-setting")
    values = yaml.safe_load((defaults or {}).get("data", {}).get("default-setting.yaml") or "") or {}
    return str(values.get(flag, "")).lower() == "true"
