"""The rehearsal's services: the mirror over HTTP, the webhook over TLS."""

import base64
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rehearsal import certificates, server, webhook
from tests.support.files_over_http import running, serve_files
from tests.support.settings_fixtures import ROOT

REAL = ("docker.io/rancher/mirrored-coredns-coredns:1.13.1",)


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "mirror" / "v1.35.0+k3s1"
    folder.mkdir(parents=True)
    (folder / "k3s").write_bytes(b"binary")
    (tmp_path / "secret").write_text("not to be had")
    with serve_files(tmp_path / "mirror", tmp_path / "state") as url:
        yield url


def test_mirror_decodes_the_version(mirror: str, tmp_path: Path) -> None:
    for path in ("v1.35.0%2Bk3s1/k3s", "v1.35.0+k3s1/k3s"):
        with urllib.request.urlopen(f"{mirror}/{path}") as response:
            assert response.read() == b"binary"
            assert response.headers["Content-Length"] == "6"
    assert '"GET /v1.35.0%2Bk3s1/k3s HTTP/1.1" 200' in (tmp_path / "state" / "access.log").read_text()


def test_mirror_head_has_no_body(mirror: str) -> None:
    with urllib.request.urlopen(urllib.request.Request(f"{mirror}/v1.35.0+k3s1/k3s", method="HEAD")) as response:
        assert (response.read(), response.headers["Content-Length"]) == (b"", "6")


@pytest.mark.parametrize("path", ["/../secret", "/%2e%2e/secret", "/v1.35.0+k3s1/%2e%2e/../../secret", "/", "/x"])
def test_mirror_has_nothing_else(mirror: str, path: str) -> None:
    connection = http.client.HTTPConnection(mirror.removeprefix("http://"))
    connection.request("GET", path)
    assert connection.getresponse().status == 404
    connection.close()


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The webhook's address and configuration, listening."""
    manifest = yaml.safe_load(server.prepare(tmp_path, "127.0.0.1", REAL))
    service = server.create_webhooks("127.0.0.1", 0, tmp_path)
    with running(service):
        yield f"https://127.0.0.1:{service.server_port}/pods", manifest["webhooks"][0]


def ask(hook: tuple[str, dict[str, Any]], body: bytes) -> dict[str, Any]:
    """POST as the API server does: it trusts the bundle of the configuration, and nothing else."""
    url, configuration = hook
    bundle = base64.b64decode(configuration["clientConfig"]["caBundle"]).decode()
    context = ssl.create_default_context(cadata=bundle)
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, context=context, timeout=5) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def admitted(hook: tuple[str, dict[str, Any]], pod: dict[str, Any]) -> dict[str, Any]:
    """The pod after the webhook's patch."""
    request = {"uid": "u-1", "operation": "CREATE", "object": pod}
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    answer = ask(hook, json.dumps(review).encode())
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    response = answer["response"]
    assert (response["uid"], response["allowed"]) == ("u-1", True)
    pod = json.loads(json.dumps(pod))
    for change in json.loads(base64.b64decode(response.get("patch", "W10="))):
        *path, last = change["path"].strip("/").split("/")
        place = pod
        for step in path:
            place = place[step]
        place[last] = change["value"]
    return pod


def pod(*containers: dict[str, Any], init: tuple[dict[str, Any], ...] = (), **metadata: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {"containers": list(containers), "nodeName": "kept"}
    if init:
        spec["initContainers"] = list(init)
    return {"metadata": {"generateName": "p-", **metadata}, "spec": spec}


def test_real_image_stays(hook: tuple[str, dict[str, Any]]) -> None:
    given = pod({"name": "dns", "image": "rancher/mirrored-coredns-coredns:1.13.1", "args": ["-conf", "x"]})
    assert admitted(hook, given) == given


def test_other_image_is_stood_in_for(hook: tuple[str, dict[str, Any]]) -> None:
    container = {
        "name": "web",
        "image": "nginx:1.29",
        "imagePullPolicy": "Always",
        "command": ["nginx"],
        "args": ["-g"],
        "livenessProbe": {},
        "readinessProbe": {},
        "startupProbe": {},
        "lifecycle": {},
        "ports": [{"containerPort": 80}],
    }
    real = {"name": "dns", "image": REAL[0], "args": ["-conf"]}
    found = admitted(hook, pod(container, real, annotations={"kept": "yes"}))
    assert found["metadata"]["annotations"] == {"kept": "yes", "rehearsal.homelab/web": "nginx:1.29"}
    stand_in = {"name": "web", "image": webhook.STAND_IN_IMAGE, "imagePullPolicy": "IfNotPresent"}
    assert found["spec"]["containers"] == [stand_in | {"ports": [{"containerPort": 80}]}, real]
    assert found["spec"]["nodeName"] == "kept"
    assert admitted(hook, found) == found  # asked again, nothing more changes


def test_init_containers_end_and_sidecars_stay(hook: tuple[str, dict[str, Any]]) -> None:
    init = ({"name": "wait", "image": "busybox"}, {"name": "side", "image": "proxy", "restartPolicy": "Always"})
    found = admitted(hook, pod({"name": "web", "image": "nginx"}, init=init))
    assert [one.get("command") for one in found["spec"]["initContainers"]] == [["/pause", "exit"], None]
    assert "command" not in found["spec"]["containers"][0]


def test_containers_of_a_job_end(hook: tuple[str, dict[str, Any]]) -> None:
    owner = {"kind": "Job", "name": "j", "apiVersion": "batch/v1", "uid": "1"}
    found = admitted(hook, pod({"name": "work", "image": "tool", "command": ["x"]}, ownerReferences=[owner]))
    assert found["spec"]["containers"][0]["command"] == ["/pause", "exit"]


def test_list_of_real_images_is_read_anew(hook: tuple[str, dict[str, Any]], tmp_path: Path) -> None:
    given = pod({"name": "web", "image": "nginx"})
    assert admitted(hook, given) != given
    (tmp_path / "images.txt").write_text("docker.io/library/nginx:latest\n")
    assert admitted(hook, given) == given


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}"])
def test_what_is_no_review_is_refused(hook: tuple[str, dict[str, Any]], body: bytes) -> None:
    with pytest.raises(urllib.error.HTTPError, match="not an AdmissionReview"):
        ask(hook, body)


def test_silent_client_holds_up_nobody(hook: tuple[str, dict[str, Any]]) -> None:
    port = int(hook[0].rsplit(":", 1)[1].split("/")[0])
    with socket.create_connection(("127.0.0.1", port)):  # begins no handshake
        given = pod({"name": "dns", "image": REAL[0]})
        assert admitted(hook, given) == given


def test_configuration_fails_closed_for_all_pods(tmp_path: Path) -> None:
    manifest = yaml.safe_load(server.prepare(tmp_path, "fd00::1", REAL, 8443))
    entry = manifest["webhooks"][0]
    assert manifest["kind"] == "MutatingWebhookConfiguration"
    assert entry["clientConfig"]["url"] == "https://[fd00::1]:8443/pods"
    assert (entry["failurePolicy"], entry["timeoutSeconds"]) == ("Fail", 30)
    assert entry["rules"][0]["operations"] == ["CREATE"]
    assert "namespaceSelector" not in entry


def test_certificates_are_kept_for_the_address(tmp_path: Path) -> None:
    first = certificates.ensure(tmp_path, "192.0.2.1")
    authority = first.ca.read_text()
    assert first.key.stat().st_mode & 0o777 == 0o600
    assert certificates.ensure(tmp_path, "192.0.2.1").ca.read_text() == authority
    assert certificates.ensure(tmp_path, "192.0.2.2").ca.read_text() != authority


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def answers(url: str, daemon: subprocess.Popen[bytes]) -> bool:
    assert daemon.poll() is None, "the daemon ended"
    try:
        urllib.request.urlopen(url).close()
    except urllib.error.HTTPError:
        return True
    except urllib.error.URLError:
        return False
    return True


def test_daemon_serves_and_ends_when_told(tmp_path: Path) -> None:
    ports = {"--http-port": str(free_port()), "--webhook-port": str(free_port())}
    command = [sys.executable, "-m", "rehearsal.server", "--root", str(tmp_path), "--address", "127.0.0.1"]
    options = ["--state", str(tmp_path / "state"), *(word for pair in ports.items() for word in pair)]
    daemon = subprocess.Popen([*command, *options], cwd=ROOT, env=dict(os.environ))
    try:
        deadline = time.monotonic() + 20
        while not answers(f"http://127.0.0.1:{ports['--http-port']}/", daemon):
            assert time.monotonic() < deadline, "the mirror did not answer in 20 s"
            time.sleep(0.02)
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(10) == 0
    finally:
        daemon.kill()
        daemon.wait()
