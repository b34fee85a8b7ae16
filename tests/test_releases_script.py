"""Releases that Helm was at when it was killed: which are named, and what of them is taken back."""

from pathlib import Path

import pytest

from tests.machine_scripts import Fake, Run

# what Helm keeps: a revision a line, by namespace, release, secret and status
KUBECTL = r"""
shift; [[ $1 != --request-timeout* ]] || shift
where='' label='' each=''
for word; do
  case $each in -n) where=$word ;; -l) label=$word ;; esac
  each=$word
done
name=${label#*name=}; name=${name%%,*}
case "$1 $2" in
  'get secrets')
    states=${label##*(}
    while read -r at release secret status; do
      [ "$at $release" = "$where $name" ] || continue
      case ,${states%)}, in *,$status,*) echo "$at/$release:$secret:$status" ;; esac
    done <revisions ;;
  'delete secret') sed -i "/ $5 /d" revisions ;;
  'delete secrets') sed -i "/^$where $name /d" revisions ;;
esac
"""
REVISIONS = """\
web web web.v1 superseded
web web web.v2 {status}
web other other.v1 uninstalling
data web web.v1 deployed
"""


@pytest.fixture
def server(tmp_path: Path) -> Fake:
    return Fake(tmp_path, {"k3s": KUBECTL, "curl": "", "systemctl": ""})


def run(server: Fake, script: str, status: str) -> tuple[Run, list[str]]:
    """Run it, and say which revisions are left."""
    revisions = server.file("revisions")
    revisions.write_text(REVISIONS.format(status=status))
    done = server.run(script, RELEASES="web/web\ndata/web")
    assert done.status == 0, done.errors
    return done, [line.split()[2] for line in revisions.read_text().splitlines() if line.startswith("web web ")]


@pytest.mark.parametrize("status", ["pending-install", "pending-upgrade", "pending-rollback", "uninstalling"])
def test_a_release_that_helm_was_killed_at_is_named(server: Fake, status: str) -> None:
    done, left = run(server, "pending", status)
    assert done.output == f"Helm was killed at release web/web ({status})\n"
    assert left == ["web.v1", "web.v2"]


def test_of_an_upgrade_the_revision_before_stays(server: Fake) -> None:
    assert run(server, "releases", "pending-upgrade")[1] == ["web.v1"]


def test_a_release_that_was_half_uninstalled_leaves_its_name(server: Fake) -> None:
    """Another one of the name is refused while any revision is there."""
    done, left = run(server, "releases", "uninstalling")
    assert (left, done.progress) == (
        [], ["release web/web was interrupted (uninstalling): removing the record of it"],
    )  # fmt: skip
    assert "web other" in server.file("revisions").read_text(), "it is no release of this lab"


@pytest.mark.parametrize("script", ["pending", "releases"])
def test_what_helm_ended_is_left_alone(server: Fake, script: str) -> None:
    done, left = run(server, script, "deployed")
    assert (done.output, left) == ("", ["web.v1", "web.v2"])
