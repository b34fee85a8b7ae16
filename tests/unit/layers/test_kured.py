"""kured: when it reboots nodes, what blocks reboots, and settings with which it would reboot none or too many."""

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from components.layers.kured import reboot_required
from tests.support.layer_fixtures import lab, layer, problems, values


def configuration(found: Any) -> Any:
    return values("kured", found)["configuration"]


def test_one_node_at_a_time_on_every_machine_at_any_time_by_default() -> None:
    given = values("kured", lab(kured={}))
    assert "concurrency" not in given["configuration"], "the chart's own is 1"
    assert given["tolerations"] == [{"operator": "Exists"}]
    assert layer("kured", lab(kured={})).pod_security == "privileged"
    assert not problems("kured", lab(kured={}))
    assert not problems("kured", lab("one-server", kured={}))


def test_the_only_node_is_not_drained() -> None:
    assert "drainPodSelector" not in configuration(lab(kured={}))
    assert configuration(lab("one-server", kured={}))["drainPodSelector"], "a label that no pod has"


def test_the_time_zone_is_that_of_the_machines_unless_it_is_set() -> None:
    assert configuration(lab(kured={}))["timeZone"] == "UTC"
    assert configuration(lab("machine", kured={}))["timeZone"] == "Europe/Berlin"
    assert configuration(lab("machine", kured={"timeZone": "Asia/Tokyo"}))["timeZone"] == "Asia/Tokyo"


def test_alerts_block_reboots_once_there_is_prometheus() -> None:
    assert "prometheusUrl" not in configuration(lab(kured={}))
    beside = lab(kured={"ignoredAlerts": ["KubeMemoryOvercommit"]}, monitoring={})
    given = configuration(beside)
    assert given["prometheusUrl"] == layer("monitoring", beside).outputs()["metrics_endpoint"]
    assert given["alertFilterRegexp"] == "^(Watchdog|InfoInhibitor|KubeMemoryOvercommit)$"
    assert values("kured", beside)["metrics"] == {"create": True}


@pytest.mark.parametrize(
    ("given", "report"),
    [
        ({"rebootDays": []}, "rebootDays: is empty, so kured would reboot no node; "),
        (
            {"startTime": "02:00", "endTime": "02:00"},
            "endTime: equals startTime, so the time window is empty; use different times",
        ),
        (
            {"startTime": "23:45", "endTime": "00:15"},
            "period: is longer than the time window from 23:45 to 00:15; use a shorter period",
        ),
        ({"lockTtl": "300s"}, "lockTtl: is not longer than drainTimeout (5m), so two nodes could drain at once; "),
        (
            {"rebootSentinel": "/etc/reboot"},
            "rebootSentinel: is not in /run, so the file would survive the reboot, and kured would reboot the node "
            "again; use a file in /run, which a reboot empties",
        ),
        ({"ignoredAlerts": ["One"]}, "ignoredAlerts: needs the layer monitoring; enable monitoring, or remove the key"),
    ],
)
def test_settings_that_cannot_work_are_refused(given: Any, report: str) -> None:
    (found,) = problems("kured", lab(kured=given))
    assert found.startswith(report)


@pytest.mark.parametrize(
    "given",
    [
        {"startTime": "22:00", "endTime": "04:00"},
        {"startTime": "23:45", "endTime": "00:15", "period": "30m"},
        {"rebootSentinel": "/var/run/reboot-required"},
        {"lockTtl": "301s"},
    ],
)
def test_settings_that_work_are_not(given: Any) -> None:
    assert not problems("kured", lab(kured=given))


@pytest.mark.parametrize(
    ("sentinel", "server", "ready", "reboots"),
    [
        (False, True, True, False),
        (True, True, True, True),
        (True, True, False, False),
        (True, False, False, True),
    ],
)
def test_a_server_reboots_only_while_all_servers_are_ready(
    tmp_path: Path, sentinel: bool, server: bool, ready: bool, reboots: bool
) -> None:
    (tmp_path / "bin").mkdir()
    runner = tmp_path / "bin/systemd-run"
    runner.write_text(f'#!/bin/sh\necho "$*" >{tmp_path}/asked\nexit {0 if ready else 1}\n')
    runner.chmod(0o755)
    for file, is_there in (("sentinel", sentinel), ("k3s.yaml", server)):
        if is_there:
            (tmp_path / file).touch()
    command = reboot_required(f"{tmp_path}/sentinel").replace("/etc/rancher/k3s/", f"{tmp_path}/")
    environment = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
    done = subprocess.run(shlex.split(command), env=environment, capture_output=True, check=False)
    assert (done.returncode == 0) == reboots
    asked = tmp_path / "asked"
    assert asked.exists() == (sentinel and server), "kubectl runs only if the machine needs a reboot"
    if asked.exists():
        assert "node-role.kubernetes.io/control-plane --for=condition=Ready" in asked.read_text()


def test_the_command_is_one_that_kubernetes_and_yaml_pass_on() -> None:
    """The chart does not quote it: YAML would read a comment or a mapping, and Kubernetes expands $(…)."""
    command = reboot_required("/run/reboot-required")
    assert not [part for part in (" #", ": ", "$(", "\n") if part in command]
