"""Releases that Helm was at when it was killed: they are seen, and their records go, so that the next run goes on."""

from pathlib import Path

import pytest

from tests.support.machine_scripts import FakeMachine

LAYERS = "longhorn-system/longhorn\ntraefik/traefik"
# records of one release by name and status, as `kubectl get secrets` is asked for them
KUBECTL = r"""
shift; [[ $1 != --request-timeout* ]] || shift
case "$*" in
  'get secrets -n traefik '*)
    while read -r name status; do
      case "$*" in *"$status"*) echo "traefik/traefik:$name:$status" ;; esac
    done <records ;;
esac
"""


@pytest.fixture
def server(tmp_path: Path) -> FakeMachine:
    return FakeMachine(tmp_path, {"k3s": KUBECTL, "curl": "", "systemctl": ""})


@pytest.mark.parametrize(
    ("status", "gone"),
    [
        ("pending-install", "secret -n traefik sh.helm.release.v1.traefik.v2"),
        ("pending-upgrade", "secret -n traefik sh.helm.release.v1.traefik.v2"),
        ("pending-rollback", "secret -n traefik sh.helm.release.v1.traefik.v2"),
    ],
)
def test_records_of_a_helm_that_was_killed_are_seen_and_go(server: FakeMachine, status: str, gone: str) -> None:
    server.file("records").write_text(f"sh.helm.release.v1.traefik.v2 {status}\n")
    assert (
        server.run("platform/list-stuck-releases", RELEASES=LAYERS).output
        == f"Helm was interrupted at release traefik/traefik ({status})\n"
    )
    done = server.run("platform/clear-stuck-releases", RELEASES=LAYERS)
    assert (done.status, done.progress) == (
        0, [f"release traefik/traefik was interrupted ({status}): deleting its record"],
    )  # fmt: skip
    deleted = [call.partition(" delete ")[2] for call in done.calls if " delete " in call]
    assert deleted == [gone]


@pytest.mark.parametrize("status", ["deployed", "superseded", "failed", "uninstalled"])
def test_other_records_stay(server: FakeMachine, status: str) -> None:
    server.file("records").write_text(f"sh.helm.release.v1.traefik.v2 {status}x\n")
    assert server.run("platform/list-stuck-releases", RELEASES=LAYERS).output == ""
    done = server.run("platform/clear-stuck-releases", RELEASES=LAYERS)
    assert (done.status, [call for call in done.calls if " delete " in call]) == (0, [])
