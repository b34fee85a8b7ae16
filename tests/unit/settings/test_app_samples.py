"""The samples of apps: valid once their secrets are set, short, and described by their page."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from components.app.requirements import required_outputs
from components.app.security import LEVELS, level
from components.app.settings import AppSettings
from components.app.validation import plaintext_secrets
from stacks import stackfile
from stacks.outputs import PlatformOutputs
from tests.support.app_samples import APP_SAMPLES, FOLDER, named_secrets, read_sample
from tests.support.settings_fixtures import ROOT

PAGE = (FOLDER / "README.md").read_text()
LAYERS = {output.name: output.metadata["layer"] for output in fields(PlatformOutputs)}
USUAL = {"traefik", "certManager", "longhorn", "cluster.apps.podSecurity"}
"""What the page's table does not repeat in each line, or has a column for."""

every_sample = pytest.mark.parametrize("file", APP_SAMPLES, ids=stackfile.stack_name)


def test_there_are_samples() -> None:
    assert len(APP_SAMPLES) >= 30
    assert any(read_sample(file).has_several_apps for file in APP_SAMPLES)


@every_sample
def test_sample_is_valid(file: Path) -> None:
    sample = read_sample(file)
    assert sample.section.platform == "homelab", "the sample of a lab"
    assert sample.has_several_apps or sample.app.name == stackfile.stack_name(file)
    assert [plaintext_secrets(app) for app in sample.apps.values()] == [[]] * len(sample.apps)
    assert len(file.read_text().splitlines()) <= 25 + 20 * len(sample.apps)


@every_sample
def test_sample_leads_an_editor_to_the_schema(file: Path) -> None:
    found = re.match(r"# yaml-language-server: \$schema=(\S+)\n# \w", file.read_text())
    assert found, "the second line says what is special"
    assert (file.parent / found[1]).resolve() == ROOT / "homelab.schema.json"


@every_sample
def test_sample_shows_how_to_set_its_secrets(file: Path) -> None:
    config, stored = stackfile.read(file)
    assert stored == set(), "nobody could decrypt it"
    commands = re.findall(r"^# pulumi config set --secret (\w+) --stack (\S+)$", file.read_text(), re.MULTILINE)
    assert commands == [(name, stackfile.stack_name(file)) for name, _ in commands]
    assert {name for name, _ in commands} == named_secrets(config)


@every_sample
def test_page_says_what_the_sample_needs(file: Path) -> None:
    apps = read_sample(file).apps.values()
    (line,) = re.findall(rf"^\| \[[^\]]+\]\({re.escape(file.name)}\) \|.*$", PAGE, re.MULTILINE)
    *_, needs, pod_security, _ = (cell.strip() for cell in line.split("|"))
    assert pod_security == f"`{max(map(level, apps), key=LEVELS.index)}`"
    wanted = {LAYERS[each.output] for app in apps for each in required_outputs(app)} - USUAL
    assert needs == ", ".join(f"`{layer}`" for layer in sorted(wanted))


def test_page_lists_no_other_file() -> None:
    assert re.findall(r"\((Pulumi\.[^)]+)\)", PAGE) == [file.name for file in APP_SAMPLES]


def app_images(app: AppSettings) -> Iterator[str | None]:
    """Yield the images of an app in the order of their keys."""
    yield from (app.image, *(each.image for each in app.sidecars.values()))
    if app.postgres and app.postgres.image:
        yield app.postgres.image


@every_sample
def test_renovate_finds_every_image(file: Path) -> None:
    *_, manager = json.loads((ROOT / "renovate.json").read_text())["customManagers"]
    (files,), (pattern,) = manager["managerFilePatterns"], manager["matchStrings"]
    assert re.search(files.strip("/"), str(file.relative_to(ROOT)))
    found = re.finditer(pattern.replace("(?<", "(?P<"), file.read_text())
    images = [image for app in read_sample(file).apps.values() for image in app_images(app)]
    assert [f"{match['depName']}:{match['currentValue']}" for match in found] == images
