"""The catalog's own pins: each for one version, written by one command, and said to be missing where they are."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.kubernetes.chart import Chart
from components.platform.layer import CatalogEntry
from operations import catalog_pins, health_checks
from operations.findings import State
from stacks import catalog, stackfile
from stacks.platform_settings import PlatformSettings
from stacks.settings import LabStack
from tests.support.files_over_https import Upstream
from tests.support.recorder import config_of, record
from tests.support.settings_fixtures import ROOT
from tests.unit.operations.test_chart_pins import NAME, published

LAB = ROOT / "tests/settings/valid/three-servers.yaml"
ON: dict[str, Any] = {"certManager": {}, "metallb": {"addresses": ["10.0.0.200-10.0.0.220"]}, "traefik": {}}


def charts(**platform: Any) -> dict[str, Chart]:
    return PlatformSettings.model_validate(platform).charts()


def read(**platform: Any) -> LabStack:
    config, secrets = stackfile.read(LAB)
    return LabStack.parse({**config, "platform": {**ON, **platform}}, secrets, "lab")


def warnings(caplog: pytest.LogCaptureFixture, **platform: Any) -> list[str]:
    """What a preview warns of."""
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        record({**config_of(LAB), "platform": {**ON, **platform}}, preview=True)
    return [each.message for each in caplog.records]


def test_every_sum_of_the_catalog_is_of_a_chart_of_it() -> None:
    """Another version is another name: without the sum of its own it has none, and the old one is too many."""
    names = [f"{chart.name}-{chart.version}.tgz" for entry in catalog.LAYERS for chart in entry.charts]
    assert [name for name in catalog.PINS if name not in names] == [], "run `python -m operations.catalog_pins`"
    assert len(set(catalog.PINS.values())) == len(catalog.PINS)
    lines = catalog.CHECKSUMS_FILE.read_text().splitlines()
    assert lines == [f"{catalog.PINS[name]}  {name}" for name in names if name in catalog.PINS]
    assert all(len(sha256) == 64 and int(sha256, 16) for sha256 in catalog.PINS.values())


def test_a_pin_is_for_its_version_alone() -> None:
    assert charts()["metallb"].sha256 == catalog.PINS[NAME]
    assert charts(versions={"metallb": "0.16.1"})["metallb"].sha256 == catalog.PINS[NAME]
    assert charts(versions={"metallb": "0.16.2"})["metallb"].sha256 is None
    assert charts(chartMirror="https://charts.lan")["metallb"].sha256 == catalog.PINS[NAME], "whoever hands it over"
    mine = "b" * 64
    assert charts(versions={"metallb": "0.16.2"}, pins={"metallb": mine})["metallb"].sha256 == mine
    assert charts(pins={"metallb": mine})["metallb"].sha256 == mine


def test_the_catalogs_sums_follow_its_versions(host: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Renovate raised gets its sum, what stayed keeps its own unasked, and what is gone is forgotten."""
    sums = tmp_path / "charts.sha256"
    sums.write_text("")
    entry = catalog.LAYERS[0]
    chart = replace(entry.charts[0], repository=f"{host.url}/charts")
    stays = replace(chart, name="stays", repository="https://127.0.0.1:9")
    monkeypatch.setattr(catalog_pins, "LAYERS", [CatalogEntry(entry.layer, chart, stays)])
    monkeypatch.setattr(catalog_pins, "PINS", {"metallb-0.16.0.tgz": "a" * 64, "stays-0.16.1.tgz": "b" * 64})
    monkeypatch.setattr(catalog_pins, "CHECKSUMS_FILE", sums)
    assert catalog_pins.main() == 0
    assert sums.read_text() == f"{published(host)}  {NAME}\n{'b' * 64}  stays-0.16.1.tgz\n"


def test_a_sum_that_cannot_be_had_is_not_made_up(
    host: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sums = tmp_path / "charts.sha256"
    sums.write_text("")
    chart = replace(catalog.LAYERS[0].charts[0], version="0.99.0", repository=f"{host.url}/charts")
    monkeypatch.setattr(catalog_pins, "LAYERS", [CatalogEntry(catalog.LAYERS[0].layer, chart)])
    monkeypatch.setattr(catalog_pins, "PINS", {NAME: "a" * 64})
    monkeypatch.setattr(catalog_pins, "CHECKSUMS_FILE", sums)
    assert catalog_pins.main() == 1
    assert "has no version 0.99.0 of metallb; the index has 0.16.1." in capsys.readouterr().err
    assert sums.read_text() == ""


def test_what_is_not_pinned_is_named_by_every_run(caplog: pytest.LogCaptureFixture) -> None:
    (said,) = warnings(caplog, versions={"cert-manager": "v1.99.0", "traefik": "99.9.9"})
    assert said.startswith("These charts are not pinned: cert-manager v1.99.0, traefik 99.9.9. Chart repositories")
    assert warnings(caplog, pins={"cert-manager": "a" * 64, "traefik": "b" * 64}) == []


def test_doctor_names_it_too() -> None:
    (report,) = health_checks.chart_reports(read(pins={"traefik": "b" * 64}, versions={"cert-manager": "v1.99.0"}))
    first, second = (finding for finding in report.findings if finding.check != "chart metallb")
    assert (first.check, first.state) == ("chart cert-manager", State.NOTE)
    assert "v1.99.0 is not pinned, so the owner of https://charts.jetstack.io can replace the chart" in first.says
    assert "./homelab pin" in first.fix
    assert (second.check, second.state) == ("chart traefik", State.FINE)
    assert health_checks.chart_reports(LabStack.read(LAB)) == [], "there are no charts"


def test_mirror_in_clear_may_serve_what_is_pinned_and_a_registry_is_a_mirror() -> None:
    pins = {"pins": {"cert-manager": "a" * 64, "traefik": "b" * 64}}
    for mirror in ("http://mirror.lan/charts", "https://mirror.lan/charts", "oci://mirror.lan:5000/charts"):
        found = read(**pins, chartMirror=mirror).platform.charts()["traefik"]
        assert (found.repository, found.sha256) == (mirror, "b" * 64)
