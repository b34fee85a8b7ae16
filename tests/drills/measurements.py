"""Measurements of drills."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Figure = Callable[[str, str], None]
"""Records a measurement by name for the table at the end."""


@contextmanager
def timed(figure: Figure, drill: str) -> Iterator[None]:
    """Record the duration of the block in seconds, unless the block fails."""
    began = time.monotonic()
    yield
    figure(drill, f"{time.monotonic() - began:.0f} s")
