"""Which versions of K3s follow on which: what `node/stage-k3s.sh` lets pass, and the way it names where it does not."""

import subprocess

import pytest

from provider.ssh.connections import render_script
from tests.support.settings_fixtures import ROOT

SCRIPTS = ROOT / "components/scripts"


def asked(before: str, after: str, role: str = "server", etcd: str = "3.5.26") -> str:
    """What the check says to a change of version; nothing if it passes."""
    library, stage = ((SCRIPTS / f"{name}.sh").read_text() for name in ("lib", "node/stage-k3s"))
    functions = stage.partition("\nmain </dev/null")[0]
    given = {"VERSION": after, "ROLE": role, "ETCD": etcd, "BEFORE": before}
    script = render_script(given, library, functions, 'etcd() { echo "$ETCD"; }', 'check_version "$BEFORE" </dev/null')
    done = subprocess.run(["bash", "-s"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (done.stderr == ""), done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "v1.36.3+k3s1"),
        ("v1.36.3+k3s1", "v1.36.3+k3s1"),
        ("v1.36.3+k3s1", "v1.36.3+k3s2"),
        ("v1.36.9+k3s1", "v1.36.10+k3s1"),
        ("v1.35.9+k3s1", "v1.36.0+k3s1"),
        ("v1.36.0-rc1+k3s1", "v1.36.0+k3s1"),
        ("v1.33.8+k3s1", "v1.34.4+k3s1"),
    ],
)
def test_going_up_passes(before: str, after: str) -> None:
    assert asked(before, after) == ""


@pytest.mark.parametrize("role", ["server", "agent"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("v1.36.3+k3s1", "v1.36.2+k3s1"),
        ("v1.36.3+k3s2", "v1.36.3+k3s1"),
        ("v1.36.10+k3s1", "v1.36.9+k3s1"),
        ("v1.36.0+k3s1", "v1.36.0-rc1+k3s1"),
    ],
)
def test_going_back_is_refused(before: str, after: str, role: str) -> None:
    said = asked(before, after, role)
    assert f"K3s cannot be downgraded, from {before} to {after}; no changes were made." in said
    assert f"Set `k3s.version` to {before} or newer." in said


def test_servers_leave_out_no_minor_version() -> None:
    said = asked("v1.34.2+k3s1", "v1.36.3+k3s1")
    assert (
        "Upgrade from v1.34.2+k3s1 to the newest v1.35 first, `pulumi up`, and continue like this to v1.36.3+k3s1."
        in said
    )
    assert asked("v1.34.2+k3s1", "v1.36.3+k3s1", role="agent") == ""


@pytest.mark.parametrize("etcd", ["3.5.9", "3.5.21", "3.5.25"])
def test_etcd_that_would_lose_members_goes_up_first(etcd: str) -> None:
    said = asked("v1.33.7+k3s1", "v1.34.3+k3s1", etcd=etcd)
    assert (
        f"etcd on this server is {etcd}, and may lose members in an upgrade to v1.34.3+k3s1; no changes were made."
        in said
    )
    assert "Upgrade to the newest v1.33 first" in said


@pytest.mark.parametrize("etcd", ["3.5.26", "3.5.30", "3.6.7"])
def test_etcd_that_is_new_enough_passes(etcd: str) -> None:
    assert asked("v1.33.9+k3s1", "v1.34.3+k3s1", etcd=etcd) == ""
