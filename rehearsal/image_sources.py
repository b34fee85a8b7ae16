"""Chooses a source for each container image, and records the source for the summary table `Real and simulated`."""

import json
import threading
from collections.abc import Collection
from enum import StrEnum
from pathlib import Path

from rehearsal.cache import write_atomically
from rehearsal.download import UnreachableError
from rehearsal.images import full_name
from rehearsal.registry import ANY_TAG, allow_pulls, built_name, repository_of, split_name
from rehearsal.upstream import Existence, Upstream

RECORD_FILE = "decided.json"
"""File in the folder of the lab's server: the source of each image that pods use."""
_writing = threading.Lock()


class ImageSource(StrEnum):
    """The possible sources of a container image, the best source first; RECORD_FILE stores the enumeration's values."""

    MACHINE = "on the machines"
    BUILT = "built here"
    NETWORK = "its registry"
    STAND_IN = "the stand-in, which sleeps"


def source_of(image: str, listed: Collection[str], upstream: Upstream | None) -> ImageSource:
    """Choose the source of a container image.

    `listed` contains the full names of available images; `NAME:*` means any tag.

    If a registry answers that an image does not exist, no stand-in replaces the image: the pod fails, as in a real lab.
    """
    name = full_name(image)
    if name in listed:
        return ImageSource.MACHINE
    if "@" not in name and f"{repository_of(name)}{ANY_TAG}" in listed:
        return ImageSource.BUILT
    if upstream and not name.partition("/")[0].endswith(".invalid") and _has_image(name, upstream):
        return ImageSource.NETWORK
    return ImageSource.STAND_IN


def record(image: str, source: ImageSource, state: Path) -> None:
    """Record the source of a container image in the lab's folder."""
    with _writing:
        if source is ImageSource.NETWORK:
            allow_pulls(full_name(image), state)
        sources = recorded(state)
        if sources.get(full_name(image)) != source:
            write_atomically(state / RECORD_FILE, json.dumps({**sources, full_name(image): source}, indent=1))


def recorded(state: Path) -> dict[str, ImageSource]:
    """Return the recorded sources of container images by full image name."""
    file = state / RECORD_FILE
    values = json.loads(file.read_text()) if file.exists() else {}
    return {name: ImageSource(value) for name, value in values.items()}


def origin_of(name: str, source: ImageSource, state: Path) -> tuple[str, bool]:
    """Describe the source of the image with the full name `name`, and return whether the image is real.

    A locally built image is real only under the tag of its own version: a pod that asks for Postgres 16 gets Postgres
    17.
    """
    built = built_name(name, state) if source is ImageSource.BUILT else None
    if built and built != name:
        return f"{source}, {split_name(built)[2]} instead of {split_name(name)[2]}", False
    return str(source), source is not ImageSource.STAND_IN


def _has_image(name: str, upstream: Upstream) -> bool:
    try:
        return upstream.existence(*split_name(name)) is not Existence.PRIVATE
    except UnreachableError:
        return False
