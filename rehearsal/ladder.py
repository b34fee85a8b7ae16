"""Where the image of a pod comes from, best first; what was decided is noted for the table at the end of `up`."""

import json
import threading
from collections.abc import Collection
from enum import StrEnum
from pathlib import Path

from rehearsal.cache import write_whole
from rehearsal.download import OutOfReachError
from rehearsal.images import full_name
from rehearsal.registry import ANY_TAG, ask_for, repository, split
from rehearsal.upstream import There, Upstream

DECIDED = "decided.json"
"""In the folder of the lab's server: the rung of each image that a pod asked for."""
_writing = threading.Lock()


class Rung(StrEnum):
    """Where an image comes from."""

    MACHINE = "on the machines"
    BUILT = "built here"
    NETWORK = "its registry"
    STAND_IN = "the stand-in, which sleeps"


def rung(image: str, listed: Collection[str], upstream: Upstream | None) -> Rung:
    """Where an image is had; `listed` are full names, `NAME:*` with any tag.

    An image that its registry does not have stays as it is: its pods fail as they would on hardware.
    """
    name = full_name(image)
    if name in listed:
        return Rung.MACHINE
    if "@" not in name and f"{repository(name)}{ANY_TAG}" in listed:
        return Rung.BUILT
    if upstream and not name.partition("/")[0].endswith(".invalid") and _there(name, upstream):
        return Rung.NETWORK
    return Rung.STAND_IN


def note(image: str, found: Rung, state: Path) -> None:
    """Note where an image came from."""
    with _writing:
        if found is Rung.NETWORK:
            ask_for(full_name(image), state)
        known = decided(state)
        if known.get(full_name(image)) != found:
            write_whole(state / DECIDED, json.dumps({**known, full_name(image): found}, indent=1))


def decided(state: Path) -> dict[str, Rung]:
    """Where each image came from, by full name."""
    file = state / DECIDED
    found = json.loads(file.read_text()) if file.exists() else {}
    return {name: Rung(each) for name, each in found.items()}


def _there(name: str, upstream: Upstream) -> bool:
    try:
        return upstream.there(*split(name)) is not There.PRIVATE
    except OutOfReachError:
        return False
