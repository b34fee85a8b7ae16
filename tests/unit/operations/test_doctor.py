"""`./homelab doctor` with its real script, SSH servers on loopback, and an API that says what a test wants."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

import cli
from components.provider_resources import SCRIPTS
from operations import doctor, health_checks, machines
from operations.api import Api, ApiError, NotFoundError
from operations.findings import Report, State, fine, note, wrong
from operations.machine_facts import Facts
from operations.pulumi_stack import Stack
from provider.ssh.connections import render_script
from stacks.settings import LabStack
from tests.support import fake_api, machines_on_loopback
from tests.support.fake_api import FakeApi
from tests.support.fake_pulumi import FakePulumi
from tests.support.machines_on_loopback import public_key, redirect_nodes, write_stack_file
from tests.support.settings_fixtures import ROOT, WARNED, parse_fixture
from tests.support.ssh_server import USER_KEY, SshMachine


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePulumi:
    """One that knows the key of the machines, and no outputs."""
    found = FakePulumi(tmp_path / "pulumi", monkeypatch)
    found.set_secret(USER_KEY.export_private_key().decode())
    return found


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pulumi: FakePulumi) -> Iterator[list[SshMachine]]:
    with machines_on_loopback.serve_machines(tmp_path / "homes", "one", "two") as found:
        redirect_nodes(found, monkeypatch)
        yield found


@pytest.fixture
def api(tmp_path: Path) -> Iterator[FakeApi]:
    with fake_api.serve_api(tmp_path / "tls") as found:
        yield found


def run(file: Path, *options: str) -> Result:
    words = ["doctor", "--stack", "lab", "--config-file", str(file), *options]
    return CliRunner().invoke(cli.app, words, env={"COLUMNS": "120"})


def two(lab: list[SshMachine], folder: Path) -> Path:
    nodes = [{"name": each.name, "hostKey": public_key(each)} for each in lab]
    return write_stack_file(folder, nodes[0], {**nodes[1], "role": "agent"})


def reports(result: Result) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in json.loads(result.stdout)["reports"]}


def test_machines_are_asked_and_what_is_wrong_is_said(
    lab: list[SshMachine], tmp_path: Path, pulumi: FakePulumi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        health_checks, "packages", lambda *_: ["bash"]
    )  # whether apt has others takes it a while to say
    result = run(two(lab, tmp_path), "--json")
    assert result.exit_code == 1
    found = reports(result)
    checks = {each["check"]: each for each in found["one"]["findings"]}
    assert checks["address"]["says"].startswith("no interface has the address 10.9.0.11")
    assert {
        "host key",
        "root",
        "system",
        "arch",
        "cgroup",
        "disk",
        "clock",
        "ports",
        "packages",
        "K3s",
    } <= checks.keys()
    assert checks["clock"]["state"] == "fine"
    assert "identity" in checks, "both are this computer"
    assert "no stack named 'lab' found" in found["lab"]["findings"][0]["says"]
    assert "stack output --json --show-secrets --stack lab --non-interactive" in pulumi.calls


def test_findings_are_shown_with_their_fixes_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = wrong("disk", "[full]", "make room"), fine("system", "Debian GNU/Linux 12 (bookworm)")
    found = [Report("machine", "one", (good, bad)), Report("layer", "traefik", (note("API", "later"),))]
    monkeypatch.setattr(doctor, "_run_checks", lambda _: found)
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "one, disk: [full]\n  fix: make room\n" in result.output
    assert "traefik, API: later\n" in result.output
    assert "1 to fix." in result.output
    found.pop(0)
    result = run(tmp_path)
    assert (result.exit_code, "Nothing to fix." in result.output) == (0, True)


def test_a_wrong_host_key_and_a_machine_that_is_off_do_not_hide_the_others(
    lab: list[SshMachine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = two(lab, tmp_path)
    file.write_text(file.read_text().replace(public_key(lab[0]), public_key(lab[0])[:-8] + "AAAAAAAA"))
    port, lab[1].port = lab[1].port, 9
    redirect_nodes(lab, monkeypatch)
    found = reports(run(file, "--json"))
    lab[1].port = port
    assert "shows another host key than the pinned one" in found["one"]["findings"][0]["says"]
    assert "./homelab trust" in found["one"]["findings"][0]["fix"]
    assert found["two"]["findings"][0]["check"] == "reachable"


def test_without_a_key_or_a_right_file_it_is_not_possible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FakePulumi(tmp_path / "pulumi", monkeypatch)
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINUEb3Io/8JyA2aMqZwLeIKWUpUs3iNeveaCnloqDzAr"
    result = run(write_stack_file(tmp_path, {"hostKey": key}))
    assert result.exit_code == 2
    assert "the secret key of stack lab" in result.output
    result = run(write_stack_file(tmp_path, {"role": "king", "hostKey": key}))
    assert (result.exit_code, "No checks ran." in result.output) == (2, True)


def test_a_key_that_is_none_is_not_shown(lab: list[SshMachine], tmp_path: Path, pulumi: FakePulumi) -> None:
    pulumi.set_secret("correct-horse")
    result = run(two(lab, tmp_path))
    assert result.exit_code == 2
    assert "the secret key must be a valid SSH private key" in result.output
    assert "correct-horse" not in result.output


def test_a_machine_that_does_not_end_is_given_up(
    lab: list[SshMachine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machines, "SCRIPT_TIMEOUT", 0.0)
    found = reports(run(two(lab, tmp_path), "--json"))
    assert "did not end within 0 s" in found["one"]["findings"][-1]["says"]


def test_the_script_comes_to_its_end_wherever_it_runs(tmp_path: Path) -> None:
    """Without systemd, K3s, ss or apt too: what is not there is not said."""
    texts = [(SCRIPTS / name).read_text() for name in ("lib.sh", "node/collect-facts.sh")]
    given = {"NODE": "a", "ADDRESS": "10.9.0.1", "INTERFACE": "", "ROLE": "agent", "PACKAGES": "no-such-package",
             "PORTS": "tcp/1", "MODULES": "overlay no_such_module", "VIP": "10.9.0.10"}  # fmt: skip
    done = subprocess.run(
        ["bash", "-s"], input=render_script(given, *texts), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    facts = Facts.parse(done.stdout)
    assert facts.complete
    assert facts.text("missing") in ("no-such-package", "")
    assert facts.disks


def nodes_of(file: Path) -> list[dict[str, Any]]:
    status = {"conditions": [{"type": kind, "status": "True"} for kind in ("Ready", "EtcdIsVoter")]}
    names = [node.name for node in LabStack.read(file).cluster.nodes]
    created = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return [{"metadata": {"name": name, "creationTimestamp": created}, "spec": {}, "status": status} for name in names]


@pytest.fixture
def platform(tmp_path: Path) -> Path:
    """A stack file with cert-manager, whose issuer is of its own authority."""
    file = tmp_path / "Pulumi.lab.yaml"
    content = yaml.safe_load((ROOT / "tests/settings/valid/three-servers.yaml").read_text())
    content["config"]["homelab:platform"] = {"certManager": {}}
    file.write_text(yaml.safe_dump(content))
    return file


def of_cluster(file: Path) -> dict[str, Report]:
    return {each.name: each for each in health_checks.cluster_reports(LabStack.read(file), Stack("lab", file))}


def test_cluster_and_layers_are_judged_by_their_api(platform: Path, pulumi: FakePulumi, api: FakeApi) -> None:
    pulumi.set_outputs(kubeconfig=api.kubeconfig)
    api.add_list("/api/v1/nodes", *nodes_of(platform))
    space = "/api/v1/namespaces/cert-manager"
    labels = {"name": "cert-manager", "status": "deployed", "version": "1"}
    api.add_list(f"{space}/secrets?labelSelector=owner=helm", {"metadata": {"labels": labels}})
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    api.add_list(f"{space}/pods", {"metadata": {"name": "p"}, "status": ready})
    api.add_kind("cert-manager.io/v1", "ClusterIssuer", "clusterissuers", namespaced=False)
    api.add_kind("cert-manager.io/v1", "Certificate", "certificates")
    found = of_cluster(platform)
    assert found["lab"].state is State.FINE
    states = {finding.check: finding.state for finding in found["certManager"].findings}
    assert states["release cert-manager"] is State.FINE
    assert states["pods"] is State.FINE
    assert states["certificates"] is State.FINE, "the API has none"
    things = {check for check in states if check.startswith(("ClusterIssuer", "Certificate"))}
    assert things
    assert {states[check] for check in things} == {State.WRONG}, "they are not there"
    assert {method for method, _, _ in api.requests} == {"GET"}
    assert all("PartialObjectMetadataList" in accept for _, path, accept in api.requests if "/secrets" in path)


def test_without_an_api_the_layers_are_not_asked(platform: Path, pulumi: FakePulumi, api: FakeApi) -> None:
    pulumi.set_outputs(kubeconfig=api.kubeconfig)
    api.answers["/api/v1/nodes"] = 503
    (found,) = of_cluster(platform).values()
    assert found.state is State.WRONG
    assert "answers /api/v1/nodes with 503" in found.findings[0].says
    pulumi.set_outputs()
    (found,) = of_cluster(platform).values()
    assert (found.state, found.findings[0].says) == (State.NOTE, "there is no cluster yet")


def test_an_api_that_is_away_is_said(api: FakeApi) -> None:
    there = Api(api.kubeconfig)
    away = Api(api.kubeconfig.replace(there.server, "https://127.0.0.1:9"))
    with pytest.raises(ApiError, match=r"does not answer: .*refused"):
        away.get("/")


def test_objects_are_found_as_kubectl_names_them(api: FakeApi) -> None:
    api.add_kind("v1", "Secret", "secrets")
    api.add_kind("storage.k8s.io/v1", "StorageClass", "storageclasses", namespaced=False)
    api.answers["/apis"] = {"groups": [{"preferredVersion": {"groupVersion": "storage.k8s.io/v1"}}]}
    api.answers["/apis/storage.k8s.io/v1/storageclasses/fast"] = {"kind": "StorageClass"}
    api.answers["/api/v1/namespaces/ns/secrets/a"] = {"kind": "Secret"}
    found = Api(api.kubeconfig)
    assert found.find_by_reference("storageclass/fast", "ns") == {"kind": "StorageClass"}
    assert found.find_by_reference("storageclass.storage.k8s.io/fast", "ns") == {"kind": "StorageClass"}
    assert found.find_by_reference("secret/a", "ns") == {"kind": "Secret"}
    for word in ("secret/b", "nothing/a", "secret.storage.k8s.io/a"):
        with pytest.raises(NotFoundError):
            found.find_by_reference(word, "ns")
    with pytest.raises(NotFoundError):
        found.find("v1", "Nothing", "ns", "a")


@pytest.mark.parametrize(
    ("name", "says", "fix"),
    [
        (
            "public-addresses-in-clear",
            "homelab:cluster.network.flannelBackend: vxlan does not encrypt pod traffic",
            "set wireguard-native before the bootstrap",
        ),
        (
            "nodes-outside-default-lan",
            "homelab:cluster.lan: is 10.0.0.0/24 by default",
            "set lan to the CIDR of the whole LAN, or keep the default",
        ),
    ],
)
def test_doubtful_settings_are_notes(name: str, says: str, fix: str) -> None:
    (warned,) = (file for file in WARNED if file.stem == name)
    (report,) = health_checks.settings_reports(parse_fixture(warned))
    (finding,) = report.findings
    assert (report.name, finding.check, finding.state) == ("stack file", "settings", State.NOTE)
    assert finding.says.startswith(says)
    assert finding.fix.startswith(fix)
    assert health_checks.settings_reports(LabStack.read(ROOT / "tests/settings/valid/one-server.yaml")) == []
