"""What drills measure."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Figure = Callable[[str, str], None]
"""Notes what was measured, under a name, for the table at the end."""


@contextmanager
def timed(figure: Figure, drill: str) -> Iterator[None]:
    """Note how long the block took, unless it fails."""
    began = time.monotonic()
    yield
    figure(drill, f"{time.monotonic() - began:.0f} s")
