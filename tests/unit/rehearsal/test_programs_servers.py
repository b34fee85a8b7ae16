"""MariaDB and restic in a rehearsal: the built images replace the official images of apps that use them."""

from pathlib import Path

import pytest
import yaml

from rehearsal import app_stack_images
from rehearsal.programs import catalog, mariadb, restic
from rehearsal.registry import repository_of
from stacks.catalog import MARIADB_IMAGE, RESTIC_IMAGE


def test_built_programs_replace_the_official_images() -> None:
    assert repository_of(mariadb.IMAGE) == repository_of(MARIADB_IMAGE)
    assert repository_of(restic.IMAGE) == repository_of(RESTIC_IMAGE)
    assert {mariadb.PROGRAM, restic.PROGRAM} <= set(catalog.PROGRAMS)


@pytest.mark.parametrize(("own", "names"), [
    ({}, {MARIADB_IMAGE, RESTIC_IMAGE}),
    ({"image": "registry.lan/own:1"}, {"registry.lan/own:1"}),
])  # fmt: skip
def test_images_of_servers_and_backups_are_images_of_apps(own: dict[str, str], names: set[str], tmp_path: Path) -> None:
    app = {"platform": "lab", "image": "shop:1", "mariadb": {"size": "1Gi", **own}}
    app["backup"] = {"password": {"secret": "backupPassword"}, **own}
    file = tmp_path / "Pulumi.shop.yaml"
    config = {"homelab:app": app, "homelab:backupPassword": {"secure": "v1:x"}}
    file.write_text(yaml.safe_dump({"config": config}))
    assert app_stack_images.image_names([file]) == {"shop:1", *names}
