"""No script is forgotten: each is killed in a scenario, or only reads."""

import re

import pytest

from tests.unit.scripts.test_faults import ALL
from tests.unit.scripts.test_scripts import FILES, named, whole

READING = {
    "cluster/check-destroy-marker", "cluster/check-node-removal", "cluster/wait-for-quorum", "drift/host", "drift/k3s",
    "drift/commands-after-k3s", "drift/commands-before-k3s", "drift/kubeconfigs", "drift/machine", "drift/membership",
    "drift/package-upgrade",
    "etcd/list-snapshots", "gpu/check-driver", "nfs/check",
    "node/check-api", "node/check-ownership", "node/collect-facts", "node/export-ca", "nomad/check",
    "platform/check-capacity", "platform/list-stuck-releases", "platform/preview-capacity",
    "platform/check-remaining-data", "platform/wait-for-objects", "rbac/check", "rook-ceph/check-disks",
    "rook-ceph/wait-until-healthy", "zfs/check-pool",
}  # fmt: skip
"""Scripts that look and change nothing."""

CHANGE = re.compile(
    r"""(?mx)
    ^[^'"\n]*\b(?: write_atomically | copy_atomically | put | lock | install_packages | mkdir | mv | dd | touch )\s
    | ^[^'"\n]*\brm\s+- | \bsed\s+-i | wipefs\s+--all | \b(?: exportfs | helm | zfs | unzip )\s+-
    | \b(?: kube | kubectl )(?: \s+-\S+ )* \s+
      (?: apply | create | delete | patch | annotate | label | taint | scale | drain | uncordon | certificate )\b
    | \bkubectl .* \sdrain\s | \bzpool\s+(?: create | import | export | destroy | add | attach )
    | systemctl (?: \s+-\S+ )* \s+ (?: enable | disable | start | stop | restart | reload\S* | daemon-reload | reboot )
    | etcd-snapshot\s+save | acl\s+bootstrap | -X\s+(?: PUT | POST | DELETE | PATCH ) | request\s=\s"PUT"
    | (?<![&<>=-])[12]?>{1,2} (?! /dev/null )["$/\w]"""
)
NAMES = {named(file).removesuffix(".sh") for file in FILES}
KILLED = {scenario.script for scenario in ALL}


def changes(script: str) -> list[str]:
    """What a script does to a machine or a cluster, as its text has it; what is said or only tried does not count."""
    text = re.sub(r'\b(?:die|say|die_api_unavailable|fact) (?:"[^"]*"|\\\n|[^"\n;|&}])*', "", whole(f"{script}.sh"))
    lines = [line for line in text.splitlines() if "--dry-run=" not in line]
    return [match[0] for match in CHANGE.finditer("\n".join(lines))]


def test_every_script_has_a_scenario_or_only_reads() -> None:
    assert KILLED | READING == NAMES
    assert not KILLED & READING


@pytest.mark.parametrize("script", sorted(READING))
def test_what_only_reads_changes_nothing(script: str) -> None:
    assert changes(script) == []


@pytest.mark.parametrize("script", sorted(NAMES - READING))
def test_what_changes_something_is_seen_to(script: str) -> None:
    assert changes(script)
