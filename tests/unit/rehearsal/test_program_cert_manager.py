"""cert-manager in the rehearsal: the images that its chart asks for are built, and its chart knows its version."""

import re
from pathlib import Path

import pytest
import yaml

from operations import chart_images
from rehearsal.programs import cert_manager
from rehearsal.registry import repository_of
from tests.contracts import helm
from tests.contracts.cases import CASES
from tests.contracts.places import NotHereError

CHART = "cert-manager"


def test_chart_is_copied_with_its_version(tmp_path: Path) -> None:
    upstream = tmp_path / "upstream"
    for name in ("Chart.yaml", "templates/one.yaml", "tests/not.yaml", "README.template.md"):
        file = upstream / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("version: v0.0.0\nappVersion: v0.0.0\n")
        file.chmod(0o444)
    cert_manager.copy_chart(upstream, tmp_path / "chart")
    copied = {str(file.relative_to(tmp_path / "chart")) for file in (tmp_path / "chart").rglob("*.*")}
    assert copied == {"Chart.yaml", "templates/one.yaml"}
    told = yaml.safe_load((tmp_path / "chart/Chart.yaml").read_text())
    assert told == {"version": cert_manager.VERSION, "appVersion": cert_manager.VERSION}


def test_version_is_the_one_that_is_built() -> None:
    required = (cert_manager.SOURCE / "go.mod").read_text()
    assert re.search(rf"\b{re.escape(cert_manager.MODULE)} {re.escape(cert_manager.VERSION)}\n", required)


def test_images_that_the_chart_asks_for_are_built() -> None:
    built = {repository_of(image.name) for image in cert_manager.images(Path())}
    for case in (case for case in CASES if CHART in case.values):
        try:
            objects = helm.objects(CHART, case.values[CHART])
        except NotHereError as error:
            pytest.skip(str(error))
        assert set(map(repository_of, chart_images.of_objects(objects))) == built, case.name
