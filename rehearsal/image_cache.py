"""The folder of the image cache and its lock: while a rehearsed lab runs, no cached image is deleted."""

import fcntl
import os
from pathlib import Path
from typing import IO

from rehearsal.cache import root


def cache_folder() -> Path:
    """Return the folder of the image cache, which all rehearsed labs share, and users may delete while no lab runs."""
    return root().parent / "registry"


def is_cached(file: Path) -> bool:
    """Return whether a file exists in the image cache; set its modification time, which is the time of its last use."""
    try:
        os.utime(file)
    except FileNotFoundError:
        return False
    return True


def lock_file() -> Path:
    """Return the lock file of the image cache: a lab's server holds a shared lock, so that no image is deleted."""
    return cache_folder().with_suffix(".lock")


def hold_cache() -> IO[str]:
    """Prevent the deletion of cached images until the returned file is closed."""
    lock_file().parent.mkdir(parents=True, exist_ok=True)
    lock = lock_file().open("w")
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lock
