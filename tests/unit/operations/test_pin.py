"""`./homelab pin` against a release on loopback."""

import hashlib
import http.server
import socket
import ssl
import textwrap
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

import cli
from components.cluster.k3s import config as k3s
from operations import pin, release, stackfile_editor
from rehearsal import certificates
from stacks import catalog, platform_settings
from stacks.catalog import K3S_VERSION
from stacks.settings import LabStack
from tests.support.settings_fixtures import SAMPLE, VALID

ADDRESS = "192.0.2.1"  # a mirror on loopback is refused, so loopback has this address here
ARCHITECTURES = ("amd64", "arm64", "arm")


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and sends who asks for `/plain/` to plain HTTP."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        if not self.path.startswith("/plain/"):
            return super().do_GET()
        self.send_response(302)
        self.send_header("Location", f"http://{ADDRESS}/")
        return self.end_headers()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The release's files; sources are laid out like the release, so that they serve as both."""
    folder = tmp_path / "mirror" / K3S_VERSION
    folder.mkdir(parents=True)
    for arch in ARCHITECTURES:
        (folder / f"sha256sum-{arch}.txt").write_text(f"{'1' * 64}  k3s\n{'2' * 64}  k3s-airgap-images-{arch}.tar\n")
    (folder / "install.sh").write_text("#!/bin/sh\n")
    (folder / "install.sh.sha256sum").write_text(f"{digest(folder / 'install.sh')}  install.sh\n")
    return folder


@pytest.fixture
def mirror(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The release over HTTPS, by a host that is trusted."""
    look_up = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *rest: look_up("127.0.0.1", *rest))
    made = certificates.ensure(tmp_path / "tls", ADDRESS)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.ca))
    monkeypatch.setenv("NO_PROXY", "*")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.server, made.key)
    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder.parent)))
    service.socket = context.wrap_socket(service.socket, server_side=True)
    thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"https://{ADDRESS}:{service.server_port}"
    service.shutdown()
    service.server_close()
    thread.join()


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stack file that is pinned: a copy of the shipped one, whose charts the program pins all."""
    monkeypatch.setattr("operations.pulumi_stack.PROJECT_FOLDER", tmp_path)
    charts = [chart for entry in catalog.LAYERS for chart in entry.charts]
    sums = {f"{chart.name}-{chart.version}.tgz": "0" * 64 for chart in charts}
    monkeypatch.setattr(platform_settings, "PINS", sums)
    file = tmp_path / "Pulumi.lab.yaml"
    file.write_text(SAMPLE.read_text())
    return file


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def sums(folder: Path) -> dict[str, str]:
    found = {arch: digest(folder / f"sha256sum-{arch}.txt") for arch in ARCHITECTURES}
    return found | {"installer": digest(folder / "install.sh")}


def configure(file: Path, **k3s: object) -> None:
    text = textwrap.indent(yaml.safe_dump({"k3s": k3s}), "    ")
    file.write_text(file.read_text().replace("    nodes:", f"{text}    nodes:"))


def run(*options: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(cli.app, ["pin", "--stack", "lab", *options], input=answer, env={"COLUMNS": "200"})


def refused(result: Result, file: Path, before: str) -> str:
    assert result.exit_code == 1, result.output
    assert "No changes were made." in result.output
    assert file.read_text() == before
    return result.output


def test_pins_are_written_and_all_else_stays(folder: Path, mirror: str, stack: Path) -> None:
    configure(stack, mirror=mirror)
    before = stack.read_text().splitlines()
    untouched = stack.with_name("untouched")
    untouched.hardlink_to(stack)
    result = run()
    assert result.exit_code == 0, result.output
    assert all(value in result.output for value in sums(folder).values())
    assert LabStack.read(stack).cluster.k3s.pins.model_dump() == sums(folder)
    after = stack.read_text().splitlines()
    assert [line for line in after if line in before] == before
    assert len(after) == len(before) + 5
    assert untouched.read_text().splitlines() == before, "the file is replaced in one move"


def test_own_release_is_asked_without_a_mirror(
    folder: Path, mirror: str, stack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(k3s, "RELEASES_URL", mirror)
    monkeypatch.setattr(k3s, "SOURCES_URL", mirror)
    assert run().exit_code == 0
    assert LabStack.read(stack).cluster.k3s.pins.model_dump() == sums(folder)


def test_mirror_without_tls_is_not_asked(
    folder: Path, mirror: str, stack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(stack, mirror="http://mirror.lan/k3s")
    assert "is not https" in refused(run(), stack, stack.read_text())
    monkeypatch.setattr(k3s, "RELEASES_URL", mirror)
    monkeypatch.setattr(k3s, "SOURCES_URL", mirror)
    assert run("--official").exit_code == 0
    found = LabStack.read(stack).cluster.k3s
    assert (found.mirror, found.pins.model_dump()) == ("http://mirror.lan/k3s", sums(folder))


def test_same_pins_are_left_alone(folder: Path, mirror: str, stack: Path) -> None:
    configure(stack, mirror=mirror, pins=sums(folder))
    before = stack.read_text()
    result = run()
    assert (result.exit_code, stack.read_text()) == (0, before)
    assert "has these pins" in result.output


@pytest.mark.parametrize(("answer", "changed"), [("y\n", True), ("--yes", True), ("n\n", False), (None, False)])
def test_other_pins_are_replaced_when_told(
    folder: Path, mirror: str, stack: Path, answer: str | None, changed: bool
) -> None:
    configure(stack, mirror=mirror, pins={"arm64": "f" * 64, "installer": digest(folder / "install.sh")})
    before = stack.read_text()
    result = run("--yes") if answer == "--yes" else run(answer=answer)
    assert result.exit_code == (0 if changed else 1), result.output
    assert "f" * 64 in result.output
    assert sums(folder)["arm64"] in result.output
    if changed:
        assert LabStack.read(stack).cluster.k3s.pins.model_dump() == sums(folder)
    else:
        assert stack.read_text() == before


def test_installer_that_is_not_the_stated_one_is_refused(folder: Path, mirror: str, stack: Path) -> None:
    configure(stack, mirror=mirror)
    (folder / "install.sh").write_text("#!/bin/sh\necho changed\n")
    output = refused(run(), stack, stack.read_text())
    assert f"{k3s_url(mirror)}/install.sh does not match" in output
    assert digest(folder / "install.sh") in output


def k3s_url(mirror: str) -> str:
    return f"{mirror}/{K3S_VERSION.replace('+', '%2B')}"


def test_version_that_does_not_exist(mirror: str, stack: Path) -> None:
    configure(stack, mirror=mirror, version="v1.36.99+k3s1")
    output = refused(run(), stack, stack.read_text())
    assert (
        f"{mirror}/v1.36.99%2Bk3s1/sha256sum-amd64.txt does not exist: check that k3s.version is a K3s release"
        in output
    )


def test_list_of_another_architecture_is_refused(folder: Path, mirror: str, stack: Path) -> None:
    configure(stack, mirror=mirror)
    (folder / "sha256sum-arm64.txt").write_text((folder / "sha256sum-amd64.txt").read_text())
    assert "is not a checksum list of K3s, because checksums for arm64 are missing" in refused(
        run(), stack, stack.read_text()
    )


def test_without_network_it_says_what_to_do(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(k3s, "RELEASES_URL", "https://127.0.0.1:9")
    output = refused(run(), stack, stack.read_text())
    assert "https://127.0.0.1:9/v1" in output
    assert "Connection refused" in output
    assert pin.AIR_GAP_ADVICE in output


def test_untrusted_host_is_refused(mirror: str, stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    configure(stack, mirror=mirror)
    assert "CERTIFICATE_VERIFY_FAILED" in refused(run(), stack, stack.read_text())


def test_no_way_leads_to_plain_http(mirror: str, stack: Path) -> None:
    configure(stack, mirror=f"{mirror}/plain")
    output = refused(run(), stack, stack.read_text())
    assert f"redirects to the http URL http://{ADDRESS}/; homelab follows no redirect from https to http." in output


def test_other_mistakes_in_the_file_come_first(mirror: str, stack: Path) -> None:
    configure(stack, mirror=mirror, pins={"amd46": "0" * 64}, version="1.36")
    output = refused(run(), stack, stack.read_text())
    assert "homelab:cluster.k3s.pins.amd46: " in output
    assert "homelab:cluster.k3s.version: is not a K3s version" in output


@pytest.mark.parametrize("file", [SAMPLE, *VALID], ids=lambda file: file.stem)
def test_every_line_stays_in_its_place(file: Path, tmp_path: Path) -> None:
    new = dict.fromkeys((*release.ARCHITECTURES, release.INSTALLER), "e" * 64)
    before = file.read_text()
    text = stackfile_editor.with_pins(before, new)
    copy = tmp_path / file.name
    copy.write_text(text)
    assert LabStack.read(copy).cluster.k3s.pins.model_dump() == new
    stays = [
        line for line in before.splitlines() if "k3s:" not in line and not any(f"{name}: " in line for name in new)
    ]
    written = iter(text.splitlines())
    assert [line for line in stays if line not in written] == []


@pytest.mark.parametrize("dash", ["- ", "  - ", "    - "])
def test_indentation_of_lists_is_kept(dash: str) -> None:
    before = f"config:\n    homelab:cluster:\n        domain: a.b\n        nodes: # machines\n        {dash}name: a\n"
    assert stackfile_editor.with_pins(before, {"arm": "0"}).startswith(before)
