"""Failures before and during bootstrapping: errors name the machine, the cause and the fix."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from bench.labs import stack_document
from tests.rehearsal.rehearsed_lab import TIMEOUT, RehearsedLab, rehearse, wait_until

pytestmark = pytest.mark.rehearsal

LOGINS = "journalctl -q -o cat -t sshd | grep -E 'Accepted|authenticating'"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    with rehearse("refusals", stack_document(1, 1, api={}), tmp_path_factory.mktemp("refusals")) as found:
        yield found


def homelab(lab: RehearsedLab, *arguments: str) -> tuple[int, str]:
    """Run a `./homelab` command on the lab; return its exit code and output."""
    process = lab.session.engine.start_homelab(*arguments, output=subprocess.PIPE)
    said, _ = process.communicate(timeout=TIMEOUT)
    return process.returncode, said


def test_wrong_host_key_is_not_trusted(lab: RehearsedLab) -> None:
    stack_file = lab.session.engine.stack_file
    right, other = (lab.lab.machine(name).host_key for name in ("s1", "a1"))
    whole = stack_file.read_text()
    stack_file.write_text(whole.replace(right, f"{other[:-6]}AAAAAA"))
    before = lab.run_as_root("s1", LOGINS).splitlines()
    said = lab.up_fails()
    code, found = homelab(lab, "doctor")
    assert (code, "s1, host key: shows another host key than the pinned one; nothing was sent" in found) == (1, True), (
        found
    )
    code, found = homelab(lab, "trust", "--yes")
    assert (code, "s1 (10.9.0.11) presents a host key that DIFFERS" in found) == (1, True), found
    stack_file.write_text(whole)
    assert "s1 (10.9.0.11) shows another host key than the pinned one; nothing was sent" in said
    after = lab.run_as_root("s1", LOGINS).splitlines()
    assert len(after) == len(before) + 1, after  # this test's own login


def test_a_full_disk_is_reported(lab: RehearsedLab) -> None:
    lab.run_as_root("s1", "mkdir -p /var/lib/homelab && mount -t tmpfs -o size=20m tmpfs /var/lib/homelab")
    said = lab.up_fails()
    lab.run_as_root("s1", "umount /var/lib/homelab")
    assert "s1 (10.9.0.11): node/stage-k3s.sh failed, during: fetching k3s" in said
    assert "Free space in /var/lib/homelab: 0" in said


def test_changed_artefact_is_not_run(lab: RehearsedLab) -> None:
    program = lab.session.artefacts.folder / "k3s"
    kept = program.with_name("kept")
    program.rename(kept)
    shutil.copy(kept, program)
    with program.open("ab") as changed:
        changed.write(b"#")
    said = lab.up_fails()
    kept.rename(program)
    assert "does not have the expected checksum; it was not used" in said
    assert lab.run_as_root("s1", "ls /usr/local/bin/k3s 2>/dev/null; true") == ""


def test_closed_port_names_the_machine(lab: RehearsedLab) -> None:
    # delayed by a second, so that this SSH session can end first
    lab.run_as_root("a1", "systemd-run -q --on-active=1 systemctl stop ssh.service ssh.socket")
    wait_until(lambda: not lab.lab.machine("a1").answers(), "the port is closed")
    said = lab.up_fails()
    lab.lab.power_off("a1")
    lab.lab.power_on("a1")
    assert "a1 (10.9.0.21) does not answer on SSH port 22" in said


def test_a_run_waits_for_a_machine_that_returns(lab: RehearsedLab) -> None:
    def cut() -> None:
        lab.lab.power_off("a1")
        lab.lab.power_on("a1")

    lab.up_despite(r"a1-join .*starting k3s-agent", cut)
    assert lab.ready_nodes() == {"s1", "a1"}
    assert lab.etcd_voters() == {"s1"}


def test_commands_report_a_healthy_lab(lab: RehearsedLab, tmp_path: Path) -> None:
    code, said = homelab(lab, "trust")
    assert (code, said.count("as pinned")) == (0, 2), said
    code, said = homelab(lab, "kubeconfig", "--output", str(tmp_path / "config"))
    assert code == 0, said
    assert yaml.safe_load((tmp_path / "config").read_text()) == yaml.safe_load(lab.lab.kubeconfig.read_text())
    code, said = homelab(lab, "doctor", "--json")
    assert (code, {each["state"] for each in json.loads(said)["reports"]}) == (0, {"fine"}), said


def test_doctor_reports_a_stopped_unit(lab: RehearsedLab) -> None:
    lab.run_as_root("a1", "systemctl stop k3s-agent")
    code, said = homelab(lab, "doctor")
    lab.run_as_root("a1", "systemctl start k3s-agent")
    assert code == 1
    fix = "fix: read `journalctl -u k3s-agent` on the machine"
    assert f"a1, K3s: v1.36.3+k3s1; the unit k3s-agent is inactive\n  {fix}" in said


def test_hostile_text_stays_text(lab: RehearsedLab) -> None:
    hostile = "$(touch /hostile)`touch /hostile`'; touch /hostile; '\" # ü \\"
    lab.cluster["k3s"] = {"options": {"node-external-dns": [hostile]}}
    lab.reopen()
    lab.up()
    for machine in ("s1", "a1"):
        assert lab.run_as_root(machine, "ls /hostile 2>/dev/null; true") == ""
        config = yaml.safe_load(lab.run_as_root(machine, "cat /etc/rancher/k3s/config.yaml"))
        assert config["node-external-dns"] == [hostile]


def test_a_failed_first_server_causes_no_second_bootstrap(lab: RehearsedLab) -> None:
    lab.run_as_root("s1", "systemctl stop k3s; rm -rf /var/lib/rancher/k3s/server/db /var/lib/homelab/applied")
    said = lab.up_fails()
    assert "s1 (10.9.0.11)" in said
    assert lab.run_as_root("s1", "ls -d /var/lib/rancher/k3s/server/db 2>/dev/null; true") == ""
