"""What the rehearsal's server is asked by the cluster: reviews of objects, and whether a chart's job may end."""

import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

from rehearsal import admission, ladder, webhook
from rehearsal.ladder import Rung
from rehearsal.operators.api import Api, Objects
from rehearsal.operators.run import servers
from rehearsal.upstream import Upstream

Json = dict[str, Any]
PODS, VALIDATE, JOBS = "/pods", "/validate/", "/jobs/"
IMAGES = "images.txt"
"""In the folder of the lab's server: the images that can be had, one a line."""
LATE = 3.0  # seconds a webhook needs after its pod is ready
DEPLOYMENTS = {
    "longhorn": ("longhorn-system", "longhorn-driver-deployer"),
}
"""Namespace and name of the Deployment whose webhook each system's is."""
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"


def api_of(state: Path) -> Api:
    """The API of the lab whose server keeps its files in `state`."""
    return Api(servers(state.parent))


def review(path: str, asked: Json, state: Path, upstream: Upstream | None = None) -> Json | None:
    """Answer an AdmissionReview sent to `path`; None where nobody listens yet."""
    if path == PODS:
        listed = frozenset(real_images(state))
        return webhook.answer(asked, lambda image: _is_real(image, listed, state, upstream))
    system, api = path.removeprefix(VALIDATE), api_of(state)
    if system not in admission.RULES:
        raise KeyError(path)
    return admission.answer(system, asked, api) if serves(api, system) else None


def _is_real(image: str, listed: frozenset[str], state: Path, upstream: Upstream | None) -> bool:
    found = ladder.rung(image, listed, upstream)
    ladder.note(image, found, state)
    return found is not Rung.STAND_IN


def real_images(state: Path) -> list[str]:
    """The images that can be had."""
    listed = state / IMAGES
    return listed.read_text().split() if listed.exists() else []


def serves(api: Objects, system: str) -> bool:
    """Whether the webhook of a system would answer by now."""
    namespace, name = DEPLOYMENTS[system]
    found = api.read(f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}")
    status = (found or {}).get("status") or {}
    if not status.get("readyReplicas"):
        return False
    times = [each["lastTransitionTime"] for each in status.get("conditions") or () if each["type"] == "Available"]
    since = datetime.datetime.fromisoformat(times[0]) if times else datetime.datetime.now(datetime.UTC)
    return (datetime.datetime.now(datetime.UTC) - since).total_seconds() >= LATE


def question(path: str, state: Path) -> HTTPStatus:
    """Answer the job of a chart: OK lets it end well, CONFLICT badly, all else lets it wait."""
    return uninstall(api_of(state)) if path.removeprefix(JOBS) == "longhorn-uninstall" else HTTPStatus.NOT_FOUND


def uninstall(api: Objects) -> HTTPStatus:
    """Take Longhorn away as its own job does: only when that is confirmed, and its programs first."""
    namespace = DEPLOYMENTS["longhorn"][0]
    if not confirmed(api, namespace):
        return HTTPStatus.CONFLICT
    apps = f"/apis/apps/v1/namespaces/{namespace}"
    programs = [f"{apps}/deployments/longhorn-driver-deployer", f"{apps}/daemonsets/longhorn-manager"]
    left = [path for path in programs if api.read(path)]
    for path in left:
        api.delete(path)
    if left:
        return HTTPStatus.SERVICE_UNAVAILABLE
    api.delete(f"{CLASSES}/longhorn")
    return HTTPStatus.OK


def confirmed(api: Objects, namespace: str) -> bool:
    """Whether deleting was confirmed: in Longhorn's own setting, or in the chart's values."""
    flag = "deleting-confirmation-flag"
    setting = api.read(f"/apis/longhorn.io/v1beta2/namespaces/{namespace}/settings/{flag}")
    if setting:
        return setting.get("value") == "true"
    given = api.read(f"/api/v1/namespaces/{namespace}/configmaps/longhorn-default-setting")
    values = yaml.safe_load((given or {}).get("data", {}).get("default-setting.yaml") or "") or {}
    return str(values.get(flag, "")).lower() == "true"
