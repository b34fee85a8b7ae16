"""The `flannel` CNI plugin, with a delegate that shows what it was asked."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.settings_fixtures import ROOT

PLUGIN = ROOT / "rehearsal/cni/flannel"
BRIDGE = """#!/bin/sh
cat >"$SEEN"
echo "$CNI_COMMAND" >>"$SEEN.commands"
printf %s "$SAYS"
exit "$CODE"
"""
LEASE = """FLANNEL_NETWORK=10.42.0.0/16
FLANNEL_SUBNET=10.42.3.1/24
FLANNEL_IPV6_NETWORK=fd42::/56
FLANNEL_IPV6_SUBNET=fd42:0:0:3::1/64
FLANNEL_MTU=1450
FLANNEL_IPMASQ=true
"""


class Machine:
    def __init__(self, folder: Path) -> None:
        self.folder, self.seen = folder, folder / "seen.json"
        self.bridge = folder / "bin" / "bridge"
        self.bridge.parent.mkdir()
        self.bridge.write_text(BRIDGE)
        self.bridge.chmod(0o755)
        self.lease = folder / "subnet.env"
        self.lease.write_text(LEASE)
        self.config: dict[str, Any] = {
            "name": "cbr0",
            "cniVersion": "1.0.0",
            "type": "flannel",
            "subnetFile": str(self.lease),
            "dataDir": str(folder / "data"),
            "delegate": {"hairpinMode": True, "forceAddress": True, "isDefaultGateway": True},
        }

    def run(self, command: str, code: int = 0, says: str = '{"ips": []}', container: str = "c1") -> tuple[int, Any]:
        own = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": container,
            "CNI_PATH": str(self.bridge.parent),
            "SEEN": str(self.seen),
            "SAYS": says,
            "CODE": str(code),
        }
        done = subprocess.run(
            [sys.executable, PLUGIN],
            input=json.dumps(self.config),
            env=dict(os.environ) | own,
            text=True,
            stdout=subprocess.PIPE,
            check=False,
        )
        return done.returncode, json.loads(done.stdout or "null")

    @property
    def asked(self) -> Any:
        return json.loads(self.seen.read_text())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_add_delegates_with_the_lease(machine: Machine) -> None:
    assert machine.run("ADD", says='{"ips": [1]}') == (0, {"ips": [1]})
    assert machine.asked == {
        "type": "bridge",
        "name": "cbr0",
        "cniVersion": "1.0.0",
        "hairpinMode": True,
        "forceAddress": True,
        "isDefaultGateway": True,
        "isGateway": True,
        "mtu": 1450,
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": "10.42.3.0/24"}], [{"subnet": "fd42:0:0:3::/64"}]],
            "routes": [{"dst": "10.42.0.0/16"}, {"dst": "fd42::/56"}],
        },
    }


def test_bridge_masquerades_when_flannel_does_not(machine: Machine) -> None:
    machine.lease.write_text(LEASE.replace("IPMASQ=true", "IPMASQ=false"))
    machine.run("ADD")
    assert machine.asked["ipMasq"] is True


def test_delegate_settings_win(machine: Machine) -> None:
    machine.config["delegate"] = {"mtu": 9000, "ipMasq": True, "isGateway": False}
    machine.run("ADD")
    assert (machine.asked["mtu"], machine.asked["ipMasq"], machine.asked["isGateway"]) == (9000, True, False)


def test_delete_uses_what_was_added(machine: Machine) -> None:
    machine.run("ADD")
    added = machine.asked
    machine.lease.unlink()  # flannel is gone, the pod's addresses must still be given back
    assert machine.run("DEL", says="")[0] == 0
    assert machine.asked == added
    assert machine.run("DEL", says="")[0] == 0
    assert (machine.folder / "seen.json.commands").read_text().split() == ["ADD", "DEL"]


def test_failed_delete_can_be_tried_again(machine: Machine) -> None:
    machine.run("ADD")
    error = {"code": 11, "msg": "busy"}
    assert machine.run("DEL", code=1, says=json.dumps(error)) == (1, error)
    assert machine.run("DEL", says="")[0] == 0


def test_check_knows_what_was_added(machine: Machine) -> None:
    machine.run("ADD")
    assert machine.run("CHECK") == (0, None)
    machine.run("DEL", says="")
    status, said = machine.run("CHECK")
    assert (status, said["code"]) == (1, 100)


def test_version(machine: Machine) -> None:
    said = {"cniVersion": "1.0.0", "supportedVersions": ["0.3.1", "0.4.0", "1.0.0"]}
    assert machine.run("VERSION") == (0, said)


@pytest.mark.parametrize(
    ("break_it", "code", "text"),
    [
        (lambda machine: machine.lease.unlink(), 11, "flannel has no subnet"),
        (lambda machine: machine.bridge.unlink(), 100, "plugin bridge is not in"),
        (lambda machine: machine.config.pop("name"), 7, "name"),
    ],
)
def test_errors_are_as_the_specification_wants(machine: Machine, break_it: Any, code: int, text: str) -> None:
    break_it(machine)
    status, said = machine.run("ADD")
    assert (status, said["code"]) == (1, code)
    assert text in said["msg"]


def test_container_name_cannot_leave_the_folder(machine: Machine) -> None:
    status, said = machine.run("ADD", container="../../etc/passwd")
    assert (status, said["code"]) == (1, 4)
    assert not machine.seen.exists()
