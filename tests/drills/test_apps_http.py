"""Options of an app's Ingress, seen by a computer in the LAN: Traefik is the real one, and the app is podinfo."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.labs import stack_document
from rehearsal.artefacts import PODINFO
from rehearsal.shell import run
from tests.drills.measurements import Recorder, timed
from tests.drills.stack_files import write_stack_file
from tests.rehearsal.rehearsed_lab import RehearsedLab, rehearse, wait_until

pytestmark = pytest.mark.drill

PLATFORM: dict[str, Any] = {"metallb": {"addresses": ["10.9.0.200-10.9.0.220"]}, "certManager": {}, "traefik": {}}
PASSWORD = "rehearsal-word"
"""A rehearsal's value of the secret `word`."""
CLIENTS = "10.9.0.0/24"
ELSEWHERE = "192.0.2.0/24"
APP: dict[str, Any] = {
    "platform": "http",
    "image": PODINFO,
    "port": 9898,
    "replicas": 1,
    "hosts": ["web", "www.web.test", "*.shop.test", "*"],
    "paths": ["/", "/api"],
    "ingress": {
        "redirects": [
            {"host": "www.web.test", "to": "https://web.lab.test", "permanent": True},
            {"path": "/old/(.*)", "to": "/echo/$1"},
        ],
        "responseHeaders": {"X-Frame-Options": "DENY"},
        "requestHeaders": {"X-From": "traefik"},
        "allowFrom": [CLIENTS],
        "maxBodySize": "1Mi",
        "responseTimeout": 2,
    },
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    folder = tmp_path_factory.mktemp("http")
    document = stack_document(1, 0)
    document["config"]["homelab:platform"] = PLATFORM
    file = folder / "Pulumi.web.yaml"
    write_stack_file(file, app=APP)
    with rehearse("http", document, folder, apps=[file]) as found:
        found.up()
        yield found


def change(lab: RehearsedLab, **ingress: Any) -> None:
    """Run `pulumi up` of the app with changed options of its Ingress; None removes an option."""
    (file,) = lab.apps
    options = {key: value for key, value in {**APP["ingress"], **ingress}.items() if value is not None}
    secrets = ["word"] if "word" in str(options) else []
    write_stack_file(file, *secrets, app=APP | {"ingress": options})
    lab.reopen()
    lab.up(engine=lab.app_engine("web"))


def browse(lab: RehearsedLab, url: str, *options: str) -> str:
    """Run curl on a computer in the LAN whose DNS resolves all names to Traefik's address; return its output."""
    address = lab.session.engine.outputs()["ingressAddress"]
    leads = ["--connect-to", f"::{address}:"]
    return run(lab.lab.netns.command("curl", "-ksS", "--max-time", "10", *leads, *options, url))


def status(lab: RehearsedLab, url: str, *options: str) -> str:
    """Return the status of the response, and the target of a redirect."""
    return browse(lab, url, "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", *options).strip()


def wait_for_status(lab: RehearsedLab, wanted: str, url: str, *options: str) -> None:
    """Wait until Traefik applies a changed Middleware."""
    wait_until(lambda: status(lab, url, *options) == wanted, f"{url} answers with {wanted}", 60)


def test_all_hosts_reach_the_app(lab: RehearsedLab, record: Recorder) -> None:
    with timed(record, "an app with options of its Ingress"):
        lab.up(engine=lab.app_engine("web"))
    for host in ("web.lab.test", "one.shop.test", "nobody.example.org"):
        wait_for_status(lab, "200", f"https://{host}/healthz")


def test_redirects(lab: RehearsedLab) -> None:
    assert status(lab, "https://www.web.test/a?b=c") == "301 https://web.lab.test/a?b=c"
    assert status(lab, "https://web.lab.test/old/a?b=c") == "302 https://web.lab.test/echo/a?b=c"
    assert status(lab, "https://web.lab.test/older") == "404"


def test_headers_are_set(lab: RehearsedLab) -> None:
    said = browse(lab, "https://web.lab.test/headers", "-i")
    assert "x-frame-options: deny" in said.lower()
    assert json.loads(said.partition("\n\n")[2])["X-From"] == ["traefik"]


def test_a_body_over_the_limit_is_refused(lab: RehearsedLab, tmp_path: Path) -> None:
    for size, wanted in ((1024**2, "202"), (1024**2 + 1, "413")):
        body = tmp_path / str(size)
        body.write_bytes(b"x" * size)
        assert status(lab, "https://web.lab.test/echo", "--data-binary", f"@{body}") == wanted


def test_a_slow_response_is_ended(lab: RehearsedLab) -> None:
    assert status(lab, "https://web.lab.test/delay/1") == "200"
    assert status(lab, "https://web.lab.test/delay/5") == "504"


def test_second_up_changes_nothing(lab: RehearsedLab) -> None:
    assert " unchanged\n" in lab.up("--expect-no-changes", engine=lab.app_engine("web"))


def test_clients_from_elsewhere_are_refused(lab: RehearsedLab) -> None:
    change(lab, allowFrom=[ELSEWHERE])
    wait_for_status(lab, "403", "https://web.lab.test/healthz")
    change(lab, allowFrom=[CLIENTS])
    wait_for_status(lab, "200", "https://web.lab.test/healthz")


def test_basic_authentication(lab: RehearsedLab) -> None:
    users = {"users": {"me": {"secret": "word"}}, "headerField": "X-User"}
    change(lab, basicAuth=users)
    wait_for_status(lab, "401", "https://web.lab.test/headers")
    assert status(lab, "https://web.lab.test/headers", "-u", "me:wrong") == "401"
    assert "x-frame-options: deny" in browse(lab, "https://web.lab.test/headers", "-i").lower(), (
        "Traefik's own response"
    )
    headers = json.loads(browse(lab, "https://web.lab.test/headers", "-u", f"me:{PASSWORD}"))
    assert headers["X-User"] == ["me"]
    assert "Authorization" not in headers
    assert status(lab, "https://www.web.test/", "-u", "me:wrong").startswith("301"), "a redirect needs no password"
    exported = lab.app_engine("web").capture("stack", "export")
    assert PASSWORD not in exported
    assert "$2b$05$" not in exported


def test_a_service_authenticates(lab: RehearsedLab) -> None:
    """The app itself is the service: podinfo answers with the status of the path."""
    change(lab, forwardAuth={"address": "http://web.web/status/403"})
    wait_for_status(lab, "403", "https://web.lab.test/healthz")
    change(lab, forwardAuth={"address": "http://web.web/status/200"})
    wait_for_status(lab, "200", "https://web.lab.test/healthz")


def test_prefixes_are_removed(lab: RehearsedLab) -> None:
    assert status(lab, "https://web.lab.test/api/healthz") == "404"
    change(lab, stripPrefix=True)
    wait_for_status(lab, "200", "https://web.lab.test/api/healthz")


def test_destroy_deletes_the_whole_app(lab: RehearsedLab, record: Recorder) -> None:
    with timed(record, "an app with Middlewares is deleted"):
        lab.pulumi_succeeds("destroy", "--yes", engine=lab.app_engine("web"))
    assert "namespace/web" not in lab.kubectl("get", "namespaces", "-o", "name")
