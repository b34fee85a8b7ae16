"""Messages about images at the end of `./homelab rehearse up`."""

import json
from pathlib import Path

import pytest

from rehearsal import image_sources, summary
from rehearsal.image_sources import Choice, ImageSource
from rehearsal.lab import Lab
from rehearsal.paths import ONLINE_FILE


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    lab = Lab("told")
    (lab.folder / "server").mkdir(parents=True)
    for name, choice in (
        ("quay.io/some/app:1", Choice(ImageSource.STAND_IN, "quay.io answers 429 Too Many Requests")),
        ("quay.io/some/other:1", Choice(ImageSource.NETWORK)),
        ("stand-in.invalid/some/app:1", Choice(ImageSource.STAND_IN)),
    ):
        image_sources.record(name, choice, lab.folder / "server")
    return lab


def test_with_internet_access_a_sleeping_image_is_named(lab: Lab) -> None:
    (lab.folder / ONLINE_FILE).write_text(json.dumps(True))
    assert list(summary.missing_images(lab)) == [
        "The containers of the image quay.io/some/app:1 only sleep, because quay.io answers 429 Too Many Requests: "
        "delete their pods later, so that the rehearsal tries to pull the image again."
    ]


def test_without_internet_access_sleeping_images_are_not_named(lab: Lab) -> None:
    (lab.folder / ONLINE_FILE).write_text(json.dumps(False))
    assert list(summary.missing_images(lab)) == []
