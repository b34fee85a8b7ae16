"""Valkey in a rehearsal: the labs that build Valkey, and the built image that replaces the official image."""

from pathlib import Path

import pytest
import yaml

from rehearsal import app_stack_images, programs
from rehearsal.cache import Recipe
from rehearsal.images import Image, full_name
from rehearsal.programs import Program, catalog, valkey
from rehearsal.registry import repository_of
from stacks.catalog import VALKEY_IMAGE
from tests.support.settings_fixtures import ROOT


def test_built_valkey_replaces_the_official_image() -> None:
    assert repository_of(valkey.IMAGE) == repository_of(VALKEY_IMAGE)
    assert valkey.PROGRAM in catalog.PROGRAMS


def test_images_of_apps_are_those_of_all_their_containers(tmp_path: Path) -> None:
    app = {
        "platform": "lab", "image": "shop:1", "before": {"image": "migrate:1"}, "valkey": {},
        "sidecars": {"a": {"image": "valkey/valkey:8.1.4"}, "b": {"args": ["b"]}},
    }  # fmt: skip
    file, invalid = tmp_path / "Pulumi.shop.yaml", tmp_path / "Pulumi.bad.yaml"
    file.write_text(yaml.safe_dump({"config": {"homelab:app": app}}))
    invalid.write_text(yaml.safe_dump({"config": {"homelab:app": {"image": "shop"}}}))
    assert app_stack_images.image_names([invalid, file]) == {"shop:1", "migrate:1", "valkey/valkey:8.1.4", VALKEY_IMAGE}
    own = yaml.safe_dump({"config": {"homelab:app": {**app, "valkey": {"image": "valkey/valkey:9.0.0"}}}})
    file.write_text(own)
    assert "valkey/valkey:9.0.0" in app_stack_images.image_names([file])
    assert app_stack_images.image_names([ROOT / "tests/settings/apps-stacks/media.yaml"])


@pytest.mark.parametrize(
    ("name", "built"), [("valkey/valkey:9", ["valkey"]), (VALKEY_IMAGE, ["valkey"]), ("registry.lan/valkey:9", [])]
)
def test_valkey_is_built_for_apps_that_run_valkey(
    name: str, built: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    recipe = Recipe("valkey", "1", (), "seconds", lambda folder: (folder / "valkey").touch())
    program = Program((), lambda: recipe, lambda folder: (Image.of(valkey.IMAGE, folder / "valkey"),))
    made = programs.build([], print, [program], [name])
    assert [row.name.split()[0] for row in made.rows] == built
    assert [full_name(each) for layout in made.layouts for each in layout.images] == [valkey.IMAGE] * len(built)
