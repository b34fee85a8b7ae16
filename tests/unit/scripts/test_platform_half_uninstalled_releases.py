"""Of a release that was half uninstalled every record goes; `secrets` is them, a line each: name, release, status."""

from pathlib import Path

import pytest

from tests.support.machine_scripts import FakeMachine, ScriptRun

# kubectl takes away what it is told one by one, and may be killed after the first
KUBECTL = r"""
shift 2
case $* in
  get*) release=${6#*name=} release=${release%%,*}
    awk -v one="$release" '$2 == one && $3 ~ /^(pending|uninst)/ {print "lab/" $2 ":" $1 ":" $3}' secrets ;;
  'delete secrets '*) wanted=${6#*name=} release=${wanted%%,*}
    for each in $(awk -v release="$release" '$2 == release {print $1}' secrets); do
      [[ $wanted != *status!=uninstalling* ]] || ! grep -q "^$each .* uninstalling" secrets || continue
      sed -i "/^$each /d" secrets
      [ ! -e deadly ] || { rm deadly; kill -9 $PPID; exit; }
    done ;;
  'delete secret '*) sed -i "/^$5 /d" secrets ;;
esac
"""


@pytest.fixture
def server(tmp_path: Path) -> FakeMachine:
    return FakeMachine(tmp_path, {"k3s": KUBECTL, "curl": ""})


def taken_back(server: FakeMachine, *records: str) -> ScriptRun:
    if records:
        server.file("secrets").write_text("".join(f"{record}\n" for record in records))
    return server.run("platform/clear-stuck-releases", RELEASES="lab/web\nlab/sub")


def left(server: FakeMachine) -> list[str]:
    return [line.split()[0] for line in server.file("secrets").read_text().splitlines()]


def test_an_interrupted_upgrade_loses_its_own_record_only(server: FakeMachine) -> None:
    done = taken_back(server, "web.v2 web pending-upgrade", "web.v1 web deployed", "sub.v1 sub deployed")
    assert done.progress == ["release lab/web was interrupted (pending-upgrade): deleting its record"]
    assert (done.status, left(server)) == (0, ["web.v1", "sub.v1"])


def test_of_a_release_half_uninstalled_every_record_goes(server: FakeMachine) -> None:
    done = taken_back(server, "web.v1 web superseded", "web.v2 web uninstalling", "sub.v1 sub deployed")
    assert (done.status, left(server)) == (0, ["sub.v1"])


def test_the_next_run_finds_a_release_whose_records_are_half_gone(server: FakeMachine) -> None:
    server.file("deadly").touch()
    records = ("web.v3 web uninstalling", "web.v1 web superseded", "web.v2 web superseded")
    assert taken_back(server, *records).status == -9
    assert left(server), "some are there"
    assert taken_back(server).status == 0
    assert left(server) == [], "or its name stays in use"
