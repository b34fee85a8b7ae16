"""Scripts that put Nomad on a machine, look after it and take it away; the program and systemd are stand-ins."""

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from tests.support.machine_scripts import FakeMachine

ZIP, LIST = "nomad_1.10.5_linux_amd64.zip", "nomad_1.10.5_SHA256SUMS"
BINARY, FOLDER, UNIT = "/usr/local/bin/nomad", "/etc/nomad.d", "/etc/systemd/system/nomad.service"
GIVEN = {
    "VERSION": "1.10.5",
    "RELEASES": "https://releases.lan",
    "PINS": "",
    "CONFIG": '{"name": "a"}',
    "GOSSIP": "c2VjcmV0",
    "AUTHORITY": "a",
    "CERTIFICATE": "b",
    "CERTIFICATE_KEY": "c",
}
TOOLS = {
    "uname": "echo x86_64",
    "getconf": "echo 64",
    "dpkg-query": "echo installed",
    "journalctl": "echo it does not like its configuration",
    "hostname": "echo pi-1",
    "openssl": 'case "$1 $*" in "x509 "*) [ ! -e ending ] ;; *) exec /usr/bin/openssl "$@" ;; esac',
    "curl": 'while [ "$1" != -o ]; do shift; done; cp "served/${3##*/}" "$2"',
    "unzip": 'exec python3 -m zipfile -e "$2" "$5"',
    "systemctl": """case "$*" in
      "-q is-active nomad") [ -e alive ] ;;
      "is-active nomad") [ -e alive ] || { echo inactive; exit 3; } ;;
      "restart nomad") [ ! -e broken ] || exit 1; touch alive ;;
      "-q disable --now nomad") rm -f alive ;;
    esac""",
}


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    (tmp_path / "served").mkdir()
    with zipfile.ZipFile(tmp_path / "served" / ZIP, "w") as archive:
        archive.writestr("nomad", "#!/bin/sh\n")
    fake = FakeMachine(tmp_path, TOOLS)
    for path in (BINARY, UNIT):
        fake.file(path)
    listed(fake, digest(fake))
    return fake


def digest(machine: FakeMachine) -> str:
    return hashlib.sha256((machine.root / "served" / ZIP).read_bytes()).hexdigest()


def listed(machine: FakeMachine, checksum: str) -> None:
    (machine.root / "served" / LIST).write_text(f"{checksum}  {ZIP}\n")


def test_verified_program_is_put_there_once_with_files_that_root_reads(machine: FakeMachine) -> None:
    done = machine.run("nomad/install", **GIVEN)
    assert (done.status, done.output) == (0, ""), done.errors
    assert done.progress == [f"fetching {LIST}", f"fetching {ZIP}", "starting Nomad"]
    assert machine.file(BINARY).read_text() == "#!/bin/sh\n"
    assert machine.file(BINARY).stat().st_mode & 0o777 == 0o755
    assert json.loads(machine.file(f"{FOLDER}/gossip.json").read_text()) == {"server": {"encrypt": "c2VjcmV0"}}
    files = {file.name: file for file in machine.file(FOLDER).iterdir()}
    assert sorted(files) == ["ca.pem", "cert.pem", "gossip.json", "homelab.json", "key.pem"]
    assert files["key.pem"].read_text() == "c\n"
    assert {file.stat().st_mode & 0o777 for file in files.values()} == {0o600}
    assert [call for call in done.calls if "systemctl" in call][:3] == [
        "systemctl daemon-reload", "systemctl -q enable nomad", "systemctl restart nomad",
    ]  # fmt: skip
    again = machine.run("nomad/install", **GIVEN)
    assert (again.status, again.calls) == (0, ["systemctl -q is-active nomad"]), again.errors


def test_files_that_are_not_given_any_more_go_and_it_is_started_anew(machine: FakeMachine) -> None:
    machine.run("nomad/install", **GIVEN)
    done = machine.run("nomad/install", **GIVEN | {"GOSSIP": ""})
    assert done.progress == ["starting Nomad"]
    assert not machine.file(f"{FOLDER}/gossip.json").exists()


def test_a_renewed_certificate_is_taken(machine: FakeMachine) -> None:
    machine.run("nomad/install", **GIVEN)
    done = machine.run("nomad/install", **GIVEN | {"CERTIFICATE": "new"})
    assert done.progress == ["starting Nomad"]
    assert machine.file(f"{FOLDER}/cert.pem").read_text() == "new\n"


def test_servers_that_have_another_key_of_gossip_are_not_touched(machine: FakeMachine) -> None:
    machine.run("nomad/install", **GIVEN)
    machine.file("/var/lib/nomad/server/serf.keyring").write_text('["c2VjcmV0"]')
    assert machine.run("nomad/install", **GIVEN).status == 0
    refused = machine.run("nomad/install", **GIVEN | {"GOSSIP": "b3RoZXI=", "CERTIFICATE": "new"})
    assert refused.status == 1
    assert "encrypts gossip with another key than the stack's; no changes were made." in refused.errors
    assert "set `nomad.gossipKey` to that secret" in refused.errors
    assert machine.file(f"{FOLDER}/cert.pem").read_text() == "b\n"
    assert machine.run("nomad/install", **GIVEN | {"GOSSIP": ""}).status == 0, "clients have none"


def test_what_was_written_and_not_started_is_started_by_the_next_run(machine: FakeMachine) -> None:
    machine.run("nomad/install", **GIVEN)
    changed = GIVEN | {"CONFIG": '{"name": "b"}'}
    (machine.root / "broken").touch()
    (machine.root / "alive").unlink()
    refused = machine.run("nomad/install", **changed)
    assert refused.status == 1
    assert (
        "Nomad does not start; fix the cause, then run `pulumi up` again:\nit does not like its configuration"
        in refused.errors
    )
    (machine.root / "broken").unlink()
    (machine.root / "alive").touch()  # by systemd, with what was there before
    assert "systemctl restart nomad" in machine.run("nomad/install", **changed).calls


@pytest.mark.parametrize(("pins", "checksum"), [("", "0" * 64), (f"amd64 {'1' * 64}", "")])
def test_program_with_another_sum_is_not_run(machine: FakeMachine, pins: str, checksum: str) -> None:
    listed(machine, checksum or digest(machine))
    done = machine.run("nomad/install", **GIVEN | {"PINS": pins})
    assert done.status == 1
    assert f"{ZIP} does not have the expected checksum; it was not used" in done.errors
    assert not machine.file(BINARY).exists()
    assert not any(call.startswith("systemctl") for call in done.calls)


def test_archive_that_cannot_be_unpacked_leaves_the_program_that_is_there(machine: FakeMachine) -> None:
    machine.run("nomad/install", **GIVEN)
    (machine.root / "served" / ZIP).write_text("no archive")
    listed(machine, digest(machine))
    done = machine.run("nomad/install", **GIVEN | {"RELEASES": "https://mirror.lan"})
    assert done.status != 0
    assert machine.file(BINARY).read_text() == "#!/bin/sh\n"
    assert "systemctl restart nomad" not in done.calls


def test_list_without_the_program_is_named(machine: FakeMachine) -> None:
    (machine.root / "served" / LIST).write_text(f"{'0' * 64}  nomad_1.10.5_linux_arm64.zip\n")
    done = machine.run("nomad/install", **GIVEN)
    assert f"The release's checksum list does not contain {ZIP}; does the release 1.10.5 exist?" in done.errors


def test_pinned_sum_goes_before_the_list_which_need_not_be_there(machine: FakeMachine) -> None:
    (machine.root / "served" / LIST).unlink()
    pins = f"arm64 {'0' * 64}\namd64 {digest(machine)}"
    assert machine.run("nomad/install", **GIVEN | {"PINS": pins}).status == 0


@pytest.mark.parametrize("path", [BINARY, f"{FOLDER}/nomad.hcl", UNIT])
def test_nomad_of_somebody_else_is_not_touched(machine: FakeMachine, path: str) -> None:
    machine.file(path).write_text("theirs")
    done = machine.run("nomad/install", **GIVEN)
    assert done.status == 1
    assert "exists already, and homelab did not install it; no changes were made." in done.errors
    away = machine.run("nomad/uninstall")
    assert (away.status, away.calls, machine.file(path).read_text()) == (0, [], "theirs")


def test_what_differs_is_seen_and_mended(machine: FakeMachine) -> None:
    assert machine.run("nomad/check").output == "homelab did not install Nomad on this disk, which may be new\n"
    machine.run("nomad/install", **GIVEN)
    assert machine.run("nomad/check").output == ""
    machine.file(BINARY).write_text("something else")
    machine.file(f"{FOLDER}/gossip.json").unlink()
    (machine.root / "alive").unlink()
    (machine.root / "ending").touch()
    assert machine.run("nomad/check").output.splitlines() == [
        *sorted(f"{machine.root}{path} was changed or removed" for path in (BINARY, f"{FOLDER}/gossip.json")),
        "Nomad's certificate expires within 30 days, or was removed",
        "nomad is inactive",
    ]  # fmt: skip
    (machine.root / "ending").unlink()
    machine.run("nomad/install", **GIVEN)
    assert machine.run("nomad/check").output == ""


def test_what_takes_it_away_leaves_its_data_and_nothing_else(machine: FakeMachine) -> None:
    machine.run("nomad/install", **GIVEN)
    machine.file("/var/lib/nomad/kept").write_text("data")
    cgroup = machine.file("/sys/fs/cgroup/nomad.slice/cgroup.kill")
    cgroup.touch()
    done = machine.run("nomad/uninstall")
    assert done.status == 0, done.errors
    assert done.progress == [
        f"uninstalling Nomad and stopping its jobs on this machine; {machine.root}/var/lib/nomad stays"
    ]
    assert done.calls == ["systemctl -q disable --now nomad", "systemctl daemon-reload"]
    assert cgroup.read_text() == "1\n"
    assert not any(machine.file(path).exists() for path in (BINARY, FOLDER, UNIT, "/var/lib/homelab/nomad"))
    assert machine.file("/var/lib/nomad/kept").exists()


def test_a_run_killed_as_it_takes_nomad_away_is_finished_by_the_next(machine: FakeMachine) -> None:
    machine.run("nomad/install", **GIVEN)
    deadly = TOOLS | {"systemctl": "case $* in daemon-reload) kill -9 $PPID ;; esac"}
    assert FakeMachine(machine.root, deadly).run("nomad/uninstall").status == -9
    done = machine.run("nomad/uninstall")
    assert done.calls[-1] == "systemctl daemon-reload", "systemd still knows the service"
    assert not machine.file("/var/lib/homelab/nomad").exists()
