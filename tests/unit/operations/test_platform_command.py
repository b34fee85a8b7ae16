"""`./homelab platform`: what an app stack may know of the platform, for one that must not read the platform's stack."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import cli
from tests.support.app_stacks import OUTPUTS
from tests.support.envelopes import unsealed
from tests.support.fake_pulumi import FakePulumi


def run() -> Result:
    return CliRunner().invoke(cli.app, ["platform", "--stack", "lab"])


def test_it_prints_what_apps_read_and_nothing_of_the_administrators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {"kubeconfig": "the administrator's", "somethingElse": 1}
    FakePulumi(tmp_path / "pulumi", monkeypatch).set_outputs(**unsealed(OUTPUTS), **more)
    done = run()
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == unsealed(OUTPUTS)


@pytest.mark.parametrize("outputs", [{}, {"version": "0.2.0", "kubeconfig": "x"}])
def test_a_platform_without_such_a_kubeconfig_has_nothing_to_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outputs: dict[str, str]
) -> None:
    FakePulumi(tmp_path / "pulumi", monkeypatch).set_outputs(**outputs)
    done = run()
    assert (done.exit_code, done.stdout) == (1, "")
    assert "Stack lab has no kubeconfig for app stacks yet: run `pulumi up` first." in done.stderr
