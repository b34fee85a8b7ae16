"""Measurements of drills."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Recorder = Callable[[str, str], None]
"""Records a measurement by name for the table at the end."""


@contextmanager
def timed(record: Recorder, drill: str) -> Iterator[None]:
    """Record the duration of the block in seconds, unless the block fails."""
    began = time.monotonic()
    yield
    record(drill, f"{time.monotonic() - began:.0f} s")
