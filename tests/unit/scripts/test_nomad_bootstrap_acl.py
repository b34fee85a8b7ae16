"""The script that gives the lab's token its rights in Nomad; the program is a stand-in, see docs/nomad.md."""

from pathlib import Path

import pytest

from tests.support.machine_scripts import SCRIPTS, FakeMachine

TOKEN = "2b778dd9-f5f1-4f29-b4b4-9a5fa948757a"
GIVEN = {"ADDRESS": "10.0.0.11", "TOKEN": TOKEN}
NOMAD = """
files="${NOMAD_CACERT##*/} ${NOMAD_CLIENT_CERT##*/} ${NOMAD_CLIENT_KEY##*/}"
printf '%s\\n' "$NOMAD_ADDR $NOMAD_TLS_SERVER_NAME $files" >>environment
case "$*" in
  "operator api /v1/status/leader") [ -e led ] && echo '"10.0.0.12:4647"' ;;
  "acl token self") [ "$(cat taken 2>/dev/null)" = "$NOMAD_TOKEN" ] || { echo "403" >&2; exit 1; } ;;
  "acl bootstrap -")
    [ ! -e taken ] || { echo 'Error bootstrapping: 400 (ACL bootstrap already done (reset index: 13))' >&2; exit 1; }
    [ ! -e broken ] || { echo 'Error bootstrapping: 500 (No cluster leader)' >&2; exit 1; }
    cat >taken; echo "Secret ID = $(cat taken)" ;;
  *) exit 9 ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    (tmp_path / "led").touch()
    return FakeMachine(tmp_path, {"nomad": NOMAD, "journalctl": "echo no cluster leader"})


def test_the_token_is_given_once_and_is_no_argument(machine: FakeMachine) -> None:
    done = machine.run("nomad/bootstrap-acl", **GIVEN)
    assert (done.status, done.output, done.progress) == (0, "", ["bootstrapping Nomad's ACLs with the lab's token"])
    assert (machine.root / "taken").read_text().strip() == TOKEN
    assert not any(TOKEN in call for call in done.calls)
    again = machine.run("nomad/bootstrap-acl", **GIVEN)
    assert (again.status, again.progress) == (0, [])
    assert not any("bootstrap" in call for call in again.calls)


@pytest.mark.parametrize(("address", "url"), [("10.0.0.11", "10.0.0.11"), ("fd00::11", "[fd00::11]")])
def test_nomad_is_asked_by_the_machines_certificate(machine: FakeMachine, address: str, url: str) -> None:
    machine.run("nomad/bootstrap-acl", **GIVEN | {"ADDRESS": address})
    said = set((machine.root / "environment").read_text().splitlines())
    assert said == {f"https://{url}:4646 server.global.nomad ca.pem cert.pem key.pem"}


def test_a_token_of_somebody_else_stays_and_the_way_is_said(machine: FakeMachine) -> None:
    (machine.root / "taken").write_text("another")
    done = machine.run("nomad/bootstrap-acl", **GIVEN)
    assert done.status == 1
    assert "Nomad's ACLs were bootstrapped with another token than this lab's" in done.errors
    assert "on the leader at 10.0.0.12:4647:" in done.errors
    assert f"echo 13 | sudo tee {machine.root}/var/lib/nomad/server/acl-bootstrap-reset" in done.errors
    assert TOKEN not in done.errors
    assert (machine.root / "taken").read_text() == "another"


def test_another_refusal_is_told(machine: FakeMachine) -> None:
    (machine.root / "broken").touch()
    done = machine.run("nomad/bootstrap-acl", **GIVEN)
    assert done.status == 1
    assert "Nomad rejects the lab's token:\nError bootstrapping: 500 (No cluster leader)" in done.errors


def test_without_a_leader_nothing_is_given(machine: FakeMachine) -> None:
    (machine.root / "led").unlink()
    text = (SCRIPTS / "nomad/bootstrap-acl.sh").read_text()
    done = machine.run_text(text.replace("wait_for 120", "wait_for 0"), **GIVEN)
    assert done.status == 1
    assert "Nomad has no leader after 120 s" in done.errors
    assert not any("bootstrap" in call for call in done.calls)
