"""The configuration as the engine hands it to the program."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator

import pulumi
import pytest

from components.settings.model import SecretRef
from stacks.settings import LabStack
from tests.support.settings_fixtures import ROOT

SECRET = "correct-horse-battery-staple"
HOST_KEY = LabStack.read(ROOT / "tests/settings/valid/one-server.yaml").cluster.nodes[0].host_key


@pytest.fixture
def engine_config() -> Iterator[None]:
    yield
    pulumi.runtime.set_all_config({}, [])


@pytest.mark.usefixtures("engine_config")
def test_secret_is_resolved_as_a_secret() -> None:
    async def resolved() -> tuple[str | None, bool]:
        output = SecretRef(secret="sshKey").resolve()
        return await output.future(), await output.is_secret()

    pulumi.runtime.set_all_config({"homelab:sshKey": SECRET}, ["homelab:sshKey"])
    assert asyncio.run(resolved()) == (SECRET, True)


@pytest.mark.usefixtures("engine_config")
def test_load_reads_what_the_engine_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulumi, "get_stack", lambda: "lab")
    node = {"name": "a", "role": "server", "address": "10.0.0.11", "hostKey": HOST_KEY}
    given = {"domain": "x.y", "ssh": {"user": "pi", "privateKey": {"secret": "sshKey"}}, "nodes": [node]}
    config = {"homelab:cluster": json.dumps(given), "homelab:sshKey": SECRET, "aws:region": "x"}
    pulumi.runtime.set_all_config(config, ["homelab:sshKey"])
    assert LabStack.load().cluster.ssh.private_key == SecretRef(secret="sshKey")
    pulumi.runtime.set_config("homelab:sshkey", "x")
    with pytest.raises(pulumi.RunError, match="homelab:sshkey: is not a known key") as caught:
        LabStack.load()
    assert str(caught.value).startswith("the configuration of stack lab is invalid; no changes were made:\n  homelab:")


def test_load_reads_the_environment_of_the_engine() -> None:
    program = "from stacks.settings import LabStack; LabStack.load()"
    environment = {
        "PULUMI_CONFIG": json.dumps({"homelab:cluster": json.dumps({"ssh": SECRET}), "homelab:other": SECRET}),
        "PULUMI_CONFIG_SECRET_KEYS": json.dumps(["homelab:other"]),
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert "homelab:other: is a secret that no setting uses" in done.stderr
    assert "homelab:cluster.ssh: must be a mapping, not text" in done.stderr
    assert SECRET not in done.stderr
