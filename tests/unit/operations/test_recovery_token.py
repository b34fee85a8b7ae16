"""`./homelab recovery-token`: the server token out of Pulumi's state, for whoever keeps the lab."""

from typing import Any

import pytest
from typer.testing import CliRunner, Result

import cli
from operations.pulumi_stack import Stack

MARK = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
TOKEN = {
    "type": "homelab:index:Secret",
    "urn": "urn:pulumi:lab::homelab::homelab:components:Cluster$homelab:index:Secret::cluster-token",
    "outputs": {"bytes": 32, "value": MARK | {"plaintext": '"0a1b2c"'}},
}


def run(monkeypatch: pytest.MonkeyPatch, *resources: dict[str, Any]) -> Result:
    monkeypatch.setattr(Stack, "resources", lambda _: resources)
    return CliRunner().invoke(cli.app, ["recovery-token", "--stack", "lab"])


def test_it_prints_the_token_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    agents = {**TOKEN, "urn": f"{TOKEN['urn']}".replace("token", "agent-token"), "outputs": {"value": "other"}}
    done = run(monkeypatch, agents, TOKEN)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "0a1b2c\n", "")


def test_before_the_first_up_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "Pulumi's state of stack lab has no secret cluster-token: run `pulumi up` first." in done.stderr
