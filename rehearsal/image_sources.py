"""Chooses a source for each container image, and records the source for the summary table `Real and simulated`."""

import json
import threading
from collections.abc import Collection
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from rehearsal.cache import write_atomically
from rehearsal.download import UnreachableError
from rehearsal.images import full_name
from rehearsal.registry import ANY_TAG, allow_pulls, built_name, repository_of, split_name
from rehearsal.upstream import Existence, Upstream

RECORD_FILE = "image-sources.json"
"""File in the folder of the lab's server: the source of each image that pods use."""
_writing = threading.Lock()


class ImageSource(StrEnum):
    """The possible sources of a container image, the best source first; RECORD_FILE stores the enumeration's values."""

    MACHINE = "on the machines"
    BUILT = "built here"
    NETWORK = "its registry"
    STAND_IN = "the stand-in, which sleeps"


@dataclass(frozen=True)
class Choice:
    """The source that the rehearsal chose for a container image; `reason` explains the use of a stand-in."""

    source: ImageSource
    reason: str = ""


def choose(image: str, listed: Collection[str], upstream: Upstream | None) -> Choice:
    """Choose the source of a container image.

    `listed` contains the full names of available images; `NAME:*` means any tag.

    If a registry answers that an image does not exist, no stand-in replaces the image: the pod fails, as in a real lab.
    """
    name = full_name(image)
    if name in listed:
        return Choice(ImageSource.MACHINE)
    if "@" not in name and f"{repository_of(name)}{ANY_TAG}" in listed:
        return Choice(ImageSource.BUILT)
    registry = name.partition("/")[0]
    if not upstream or registry.endswith(".invalid"):
        return Choice(ImageSource.STAND_IN)
    try:
        existence = upstream.existence(*split_name(name))
    except UnreachableError as error:
        return Choice(ImageSource.STAND_IN, str(error))
    if existence is Existence.PRIVATE:
        return Choice(ImageSource.STAND_IN, f"{registry} requires a login")
    return Choice(ImageSource.NETWORK)


def record(image: str, choice: Choice, state: Path) -> None:
    """Record the source of a container image in the lab's folder."""
    with _writing:
        if choice.source is ImageSource.NETWORK:
            allow_pulls(full_name(image), state)
        choices = recorded(state)
        if choices.get(full_name(image)) != choice:
            values = {name: asdict(each) for name, each in {**choices, full_name(image): choice}.items()}
            write_atomically(state / RECORD_FILE, json.dumps(values, indent=1))


def recorded(state: Path) -> dict[str, Choice]:
    """Return the recorded sources of container images by full image name."""
    file = state / RECORD_FILE
    values = json.loads(file.read_text()) if file.exists() else {}
    return {name: Choice(ImageSource(value["source"]), value["reason"]) for name, value in values.items()}


def origin_of(name: str, choice: Choice, state: Path) -> tuple[str, bool]:
    """Describe the source of the image with the full name `name`, and return whether the image is real.

    A locally built image counts as real only if a pod requests the version that the rehearsal has built. A pod that
    requests Postgres 16, for example, gets an image with Postgres 17.
    """
    built = built_name(name, state) if choice.source is ImageSource.BUILT else None
    if built and built != name:
        return f"{choice.source}, {split_name(built)[2]} instead of {split_name(name)[2]}", False
    origin = f"{choice.source}, because {choice.reason}" if choice.reason else str(choice.source)
    return origin, choice.source is not ImageSource.STAND_IN
