"""What the webhooks of the platform's systems refuse, and when they begin to answer."""

import datetime
import json
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from rehearsal import admission, cluster_requests, server
from rehearsal.admission import formats
from tests.support.kubernetes_api import InMemoryApi

GROUPS = {
    "longhorn": "longhorn.io/v1beta2",
}
JOB = {"cron": "0 3 * * *", "task": "backup", "retain": 7, "concurrency": 1}
GOOD = [
    ("longhorn", "RecurringJob", JOB),
    ("longhorn", "BackupTarget", {"backupTargetURL": "s3://bucket@eu-central-1/"}),
]
BAD = [
    ("longhorn", "RecurringJob", JOB | {"cron": "0 0 3 * * *"}, "invalid cron format"),
    ("longhorn", "RecurringJob", JOB | {"task": "copy"}, "task copy is not valid"),
    ("longhorn", "BackupTarget", {"backupTargetURL": "s3://bucket"}, "invalid backup target"),
]


def asked(system: str, kind: str, spec: Any, **more: Any) -> dict[str, Any]:
    thing = {"apiVersion": GROUPS[system], "kind": kind, "metadata": {"name": "thing", "namespace": "ns"}, "spec": spec}
    request = {"uid": "u1", "operation": "CREATE", "kind": {"kind": kind}, "object": thing, **more}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def said(system: str, review: dict[str, Any], api: InMemoryApi | None = None) -> str | None:
    """What a refusal says, None where there is none."""
    response = admission.answer(system, review, api or InMemoryApi())["response"]
    assert response["uid"] == "u1"
    assert response["allowed"] is ("status" not in response)
    return None if response["allowed"] else str(response["status"]["message"])


@pytest.mark.parametrize(("system", "kind", "spec"), GOOD)
def test_what_is_right_passes(system: str, kind: str, spec: Any) -> None:
    assert said(system, asked(system, kind, spec)) is None


@pytest.mark.parametrize(("system", "kind", "spec", "words"), BAD)
def test_what_is_wrong_is_refused(system: str, kind: str, spec: Any, words: str) -> None:
    assert words in (said(system, asked(system, kind, spec)) or "")


@pytest.mark.parametrize("more", [{"operation": "DELETE", "object": None}, {"subResource": "status"}])
def test_status_and_deletion_are_not_looked_at(more: dict[str, Any]) -> None:
    assert said("longhorn", asked("longhorn", "RecurringJob", {}, **more)) is None


@pytest.mark.parametrize("text", ["0 3 * * *", "*/15 0-6,12 * jan mon-fri", "@daily", "@every 30m"])
def test_schedules(text: str) -> None:
    assert formats.is_cron(text)


@pytest.mark.parametrize("text", ["", "60 3 * * *", "0 3 * *", "0 3 * * foo", "*/0 * * * *", "5-1 * * * *", "@often"])
def test_no_schedules(text: str) -> None:
    assert not formats.is_cron(text)


def deployment(api: InMemoryApi, system: str, *, seconds_ago: float, ready: int = 1) -> None:
    namespace, name = cluster_requests.WEBHOOK_DEPLOYMENTS[system]
    since = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=seconds_ago)
    available = {"type": "Available", "status": "True", "lastTransitionTime": since.strftime("%Y-%m-%dT%H:%M:%SZ")}
    metadata = {"name": name, "namespace": namespace}
    status = {"readyReplicas": ready, "conditions": [available]}
    api.create(f"/apis/apps/v1/namespaces/{namespace}/deployments", {"metadata": metadata, "status": status})


@pytest.mark.parametrize("system", list(admission.RULES))
def test_webhook_serves_some_seconds_after_its_pod(system: str) -> None:
    for seconds_ago, ready, expected in ((0, 1, False), (10, 1, True), (10, 0, False)):
        api = InMemoryApi()
        assert not cluster_requests.is_webhook_ready(api, system)
        deployment(api, system, seconds_ago=seconds_ago, ready=ready)
        assert cluster_requests.is_webhook_ready(api, system) is expected


def flag(value: str) -> dict[str, Any]:
    metadata = {"name": "longhorn-default-setting", "namespace": "longhorn-system"}
    return {"metadata": metadata, "data": {"default-setting.yaml": f'deleting-confirmation-flag: "{value}"\n'}}


def test_longhorn_goes_only_when_that_is_confirmed() -> None:
    api, maps = InMemoryApi(), "/api/v1/namespaces/longhorn-system/configmaps"
    deployment(api, "longhorn", seconds_ago=10)
    api.create(cluster_requests.STORAGE_CLASSES, {"metadata": {"name": "longhorn"}})
    assert cluster_requests.uninstall_longhorn(api) is HTTPStatus.CONFLICT
    api.create(maps, flag("false"))
    assert cluster_requests.uninstall_longhorn(api) is HTTPStatus.CONFLICT
    api.delete(f"{maps}/longhorn-default-setting")
    api.create(maps, flag("true"))
    assert cluster_requests.uninstall_longhorn(api) is HTTPStatus.SERVICE_UNAVAILABLE, "its programs are still there"
    assert cluster_requests.uninstall_longhorn(api) is HTTPStatus.OK
    assert api.read(f"{cluster_requests.STORAGE_CLASSES}/longhorn") is None


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    state = tmp_path / "server"
    state.mkdir()
    service = server.create_webhooks("127.0.0.1", 0, state)
    thread = threading.Thread(target=service.serve_forever, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{service.server_port}"
    service.shutdown()
    service.server_close()


def post(url: str, body: dict[str, Any], authority: Path) -> dict[str, Any]:
    context = ssl.create_default_context(cafile=str(authority))
    request = urllib.request.Request(url, json.dumps(body).encode())
    with urllib.request.urlopen(request, context=context, timeout=5) as response:
        found = json.load(response)
        assert isinstance(found, dict)
        return found


def test_nobody_answers_before_the_webhook_serves(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, review = tmp_path / "server/ca.pem", asked("longhorn", "RecurringJob", JOB | {"cron": "?"})
    with pytest.raises(OSError, match=r"(?i)closed|EOF"):
        post(f"{url}/validate/longhorn", review, authority)
    api = InMemoryApi()
    deployment(api, "longhorn", seconds_ago=10)
    monkeypatch.setattr(cluster_requests, "api_of", lambda _: api)
    assert post(f"{url}/validate/longhorn", review, authority)["response"]["allowed"] is False
    with pytest.raises(urllib.error.HTTPError, match="400"):
        post(f"{url}/validate/unheard-of", review, authority)
