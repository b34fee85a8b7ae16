"""Renovate finds every pin of the catalog, and reads K3s' versions as they are meant."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from stacks import catalog
from stacks.catalog import K3S_VERSION
from tests.support.settings_fixtures import ROOT

CONFIG: dict[str, Any] = json.loads((ROOT / "renovate.json").read_text())
MANAGER, CHARTS, APPS = CONFIG["customManagers"]
SOURCE = Path(catalog.__file__).read_text()


def python(pattern: str) -> str:
    """The same expression as Python writes it: named groups differ."""
    return pattern.replace("(?<", "(?P<")


def found(text: str, manager: dict[str, Any] = MANAGER) -> list[dict[str, str | None]]:
    (pattern,) = manager["matchStrings"]
    return [match.groupdict() for match in re.finditer(python(pattern), text)]


def test_managers_read_the_catalog_alone() -> None:
    for manager in (MANAGER, CHARTS):
        (pattern,) = manager["managerFilePatterns"]
        assert re.search(pattern.strip("/"), "stacks/catalog.py")
        assert not re.search(pattern.strip("/"), "stacks/catalog_py.txt")


def test_every_pin_is_found() -> None:
    names = [
        target.id
        for line in ast.parse(SOURCE).body
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant)
        for target in line.targets
        if isinstance(target, ast.Name)
    ]
    assert "K3S_VERSION" in names
    assert len(found(SOURCE)) == len(names)
    for name, match in zip(names, found(SOURCE), strict=True):
        value, version = str(getattr(catalog, name)), str(match["currentValue"])
        assert re.match(r"v?\d+\.\d+", version), name
        assert value in (version, f"{match['depName']}:{version}"), name


def test_every_chart_is_found_with_its_repository() -> None:
    charts = [chart for entry in catalog.LAYERS for chart in entry.charts]
    keys = ("depName", "currentValue", "registryUrl")
    assert [tuple(match[key] for key in keys) for match in found(SOURCE, CHARTS)] == [
        (chart.name, chart.version, chart.repository) for chart in charts
    ]
    assert CHARTS["datasourceTemplate"] == "helm"


def test_image_with_a_port_and_a_digest_is_read() -> None:
    digest = f"sha256:{'0f' * 32}"
    line = f'# renovate: datasource=docker depName=lab:5000/web\nWEB = "lab:5000/web:v1.2@{digest}"\n'
    (match,) = found(line)
    assert (match["depName"], match["currentValue"], match["currentDigest"]) == ("lab:5000/web", "v1.2", digest)


@pytest.mark.parametrize(
    ("image", "name", "version", "digest"),
    [
        ("eclipse-mosquitto:2.0.22", "eclipse-mosquitto", "2.0.22", None),
        ("ghcr.io/a/b-c:v1.2_3-rc1", "ghcr.io/a/b-c", "v1.2_3-rc1", None),
        (f"lab:5000/a/b:1.2@sha256:{'0f' * 32}", "lab:5000/a/b", "1.2", f"sha256:{'0f' * 32}"),
    ],
)
@pytest.mark.parametrize("form", ["    image: {}\n", "    image: {} # why\n", '  x: {{image: "{}", args: [a]}}\n'])
def test_image_of_an_app_is_found(form: str, image: str, name: str, version: str, digest: str | None) -> None:
    (match,) = found(form.format(image), APPS)
    assert (match["depName"], match["currentValue"], match["currentDigest"]) == (name, version, digest)
    assert APPS["datasourceTemplate"] == "docker"


@pytest.mark.parametrize("file", ["Pulumi.shop.yaml", "samples/apps/Pulumi.gatus.yaml"])
def test_stack_files_of_apps_are_read(file: str) -> None:
    (pattern,) = APPS["managerFilePatterns"]
    assert re.search(pattern.strip("/"), file)


def test_actions_and_packages_are_raised_too() -> None:
    """Managers of Renovate's own, none of which is switched off; hooks run what the lock names."""
    assert {"config:recommended", "helpers:pinGitHubActionDigests"} <= set(CONFIG["extends"])
    assert "enabledManagers" not in CONFIG
    assert [rule for rule in CONFIG["packageRules"] if rule.get("enabled") is False] == []
    assert CONFIG["ignorePaths"] == ["rehearsal/toolchain/**"]


def test_commit_of_a_charts_checksum_does_not_make_a_branch_somebody_elses() -> None:
    """Renovate would leave it alone from then on; and it captures no digest of charts, which it cannot raise."""
    commit = (ROOT / ".github/workflows/charts.yaml").read_text()
    assert all(author in commit for author in CONFIG["gitIgnoredAuthors"])
    assert all("currentDigest" not in match for match in found(SOURCE, CHARTS))


@pytest.mark.parametrize("text", ['X = "v1.0"\n', '# renovate: datasource=docker\nX = "v1.0"\n'])
def test_pin_without_a_source_is_not_found(text: str) -> None:
    assert found(text) == []


def test_k3s_versions_are_told_apart() -> None:
    (rule,) = (rule for rule in CONFIG["packageRules"] if rule.get("matchDepNames") == ["k3s-io/k3s"])
    version = re.compile(python(rule["versioning"].removeprefix("regex:")))
    assert version.fullmatch(K3S_VERSION)
    first, second, early = (version.fullmatch(f"v1.36.3{rest}") for rest in ("+k3s1", "+k3s2", "-rc1+k3s1"))
    assert first is not None
    assert second is not None
    assert early is not None
    assert (first["build"], second["build"], first["prerelease"], early["prerelease"]) == ("1", "2", None, "rc1")
