"""`./homelab pin` for charts, against their repositories on loopback."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

import cli
from stacks import platform_settings
from stacks.settings import LabStack
from tests.support.chart_repository import pack_chart
from tests.support.files_over_https import Upstream
from tests.support.mirror_host import digest, index, write_stack_file

POOL = {"metallb": {"addresses": ["10.9.0.200/29"]}}
NAME = "metallb-0.16.1.tgz"
OTHER = pack_chart({"metallb/Chart.yaml": "name: metallb"})


def pin(file: Path, *options: str, answer: str | None = None) -> Result:
    words = ["pin", "--stack", "lab", "--config-file", str(file), *options]
    return CliRunner().invoke(cli.app, words, input=answer, env={"COLUMNS": "200"})


def pins(file: Path) -> dict[str, str]:
    return dict(LabStack.read(file).platform.pins)


def published(host: Upstream) -> str:
    return digest((host.root / "charts/metallb.tgz").read_bytes())


def change(host: Upstream, **changes: Any) -> str:
    """Have the repository serve another archive, and its index say so."""
    (host.root / "charts/metallb.tgz").write_bytes(OTHER)
    index(host.root, **changes)
    return digest(OTHER)


def refused(result: Result, file: Path, before: str) -> str:
    assert result.exit_code == 1, result.output
    assert "No changes were made." in result.output
    assert file.read_text() == before
    return result.output


def test_a_chart_without_a_pin_is_pinned(host: Upstream, file: Path) -> None:
    result = pin(file)
    assert result.exit_code == 0, result.output
    assert pins(file) == {"metallb": published(host)}
    assert published(host) in result.output
    again = file.read_text()
    assert "has these pins." in pin(file).output
    assert file.read_text() == again


def test_a_chart_that_the_program_pins_is_not_asked_for(
    host: Upstream, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform_settings, "PINS", {NAME: "a" * 64})
    shutil.rmtree(host.root / "charts")
    assert pin(file).exit_code == 0
    assert "pins" not in yaml.safe_load(file.read_text())["config"]["homelab:platform"]


def test_another_version_of_it_is(host: Upstream, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform_settings, "PINS", {NAME: "a" * 64})
    write_stack_file(file.parent, POOL | {"versions": {"metallb": "0.16.2"}})
    found = change(host, version="0.16.2")
    assert pin(file).exit_code == 0
    assert pins(file) == {"metallb": found}


@pytest.mark.parametrize(
    ("options", "answer", "taken"), [(["--yes"], None, True), ([], "y\n", True), ([], "n\n", False)]
)
def test_another_sum_is_taken_when_told(
    host: Upstream, file: Path, options: list[str], answer: str | None, taken: bool
) -> None:
    pin(file)
    old, new = published(host), change(host)
    result = pin(file, *options, answer=answer)
    assert old in result.output
    assert new in result.output
    assert pins(file) == {"metallb": new if taken else old}


def test_pins_that_are_the_programs_own_are_left_out(
    host: Upstream, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin(file)
    monkeypatch.setattr(platform_settings, "PINS", {NAME: published(host)})
    result = pin(file)
    assert "pinned by homelab, removed" in result.output
    assert "pins" not in yaml.safe_load(file.read_text())["config"]["homelab:platform"]


def test_pins_of_layers_that_are_off_stay(host: Upstream, file: Path) -> None:
    write_stack_file(file.parent, POOL | {"pins": {"traefik": "b" * 64}})
    assert pin(file).exit_code == 0
    assert pins(file) == {"metallb": published(host), "traefik": "b" * 64}


def test_a_mirror_in_clear_is_not_asked(host: Upstream, file: Path) -> None:
    mirror = {"chartMirror": "http://mirror.lan/charts"}
    write_stack_file(file.parent, POOL | mirror)
    output = refused(pin(file), file, file.read_text())
    assert "metallb comes from http://mirror.lan/charts, which is not https" in output
    assert "--official" in output
    assert pin(file, "--official").exit_code == 0
    assert pins(file) == {"metallb": published(host)}
    assert "has these pins." in pin(file).output, "nothing is to be asked"


def test_the_chart_of_a_webhook_is_pinned_too(host: Upstream, file: Path) -> None:
    chart = {"name": "dns-webhook", "repository": "https://charts.lan", "version": "1.0.0"}
    webhook = {"groupName": "acme.lan", "solverName": "dns", "chart": chart}
    layer = {"certManager": {"acme": {"email": "me@example.com", "webhook": webhook}}}
    write_stack_file(
        file.parent, layer | {"chartMirror": "http://mirror.lan/charts", "pins": {"cert-manager": "b" * 64}}
    )
    output = refused(pin(file), file, file.read_text())
    assert "dns-webhook comes from http://mirror.lan/charts, which is not https" in output


def test_a_mirror_is_asked_over_https(host: Upstream, file: Path) -> None:
    shutil.copytree(host.root / "charts", host.root / "mirror")
    shutil.rmtree(host.root / "charts")
    write_stack_file(file.parent, POOL | {"chartMirror": f"{host.url}/mirror"})
    assert pin(file).exit_code == 0
    assert pins(file) == {"metallb": digest((host.root / "mirror/metallb.tgz").read_bytes())}


def test_what_cannot_be_had_leaves_the_file_as_it_is(host: Upstream, file: Path) -> None:
    write_stack_file(file.parent, POOL | {"traefik": {}})
    assert "has no chart traefik; the index has metallb" in refused(pin(file), file, file.read_text())


def test_wrong_pins_do_not_stand_in_the_way_and_other_mistakes_do(host: Upstream, file: Path) -> None:
    write_stack_file(file.parent, POOL | {"pins": {"metallb": "half a sum"}})
    assert pin(file, "--yes").exit_code == 0
    assert pins(file) == {"metallb": published(host)}
    write_stack_file(file.parent, POOL | {"pins": {"mettalb": "b" * 64}})
    assert "homelab:platform.pins.mettalb: is not a chart of any layer" in refused(pin(file), file, file.read_text())
