"""Deletes old images and charts, and the remains of interrupted downloads and builds, from the rehearsal's cache."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rehearsal import cache, image_cache
from rehearsal.cache import Report

UNUSED_SECONDS = 30 * 24 * 3600.0  # after this time without use, an image or a chart is deleted
BROKEN_SECONDS = 3600.0  # a download that wrote nothing for this time was interrupted


def clean(report: Report) -> None:
    """Delete the old files that no running rehearsal uses, and report the freed disk space.

    While the server of a rehearsed lab runs, the function deletes no images and charts.
    """
    freed = sum([*_broken_builds(), *_broken_downloads(), *_unused_downloads()])
    if freed >> 20:
        report(f"deleted {freed >> 20} MiB of unused and incomplete files from {cache.root().parent}")


def _broken_builds() -> Iterator[int]:
    """Delete the folders that killed builds have left, and yield the sizes of the folders in bytes."""
    for part in cache.root().glob(".*.part"):
        if part.is_dir():
            with _locked(part.with_suffix(".lock")) as free:
                if free and part.is_dir():  # a build that has ended in the meantime has renamed its folder
                    size = sum(file.lstat().st_size for file in part.rglob("*") if not file.is_symlink())
                    shutil.rmtree(part, ignore_errors=True)
                    yield size


def _broken_downloads() -> Iterator[int]:
    """Delete the incomplete files that killed downloads have left, and yield the sizes of the files in bytes."""
    for part in image_cache.cache_folder().rglob(".*.part"):
        yield from _deleted(part, time.time() - BROKEN_SECONDS)


def _unused_downloads() -> Iterator[int]:
    """Delete images and charts that no rehearsal has used for UNUSED_SECONDS, and yield their sizes in bytes."""
    folder = image_cache.cache_folder()
    if not folder.is_dir():
        return
    with _locked(image_cache.lock_file()) as free:
        for file in folder.rglob("[!.]*") if free else ():
            content = file.with_suffix("")  # a .json file describes an image, and is deleted together with the image
            if file.is_file() and not (file.suffix == ".json" and content.exists()):
                yield from _deleted(file, time.time() - UNUSED_SECONDS)
                if file.suffix == "" and not file.exists():
                    file.with_suffix(".json").unlink(missing_ok=True)


def _deleted(file: Path, oldest: float) -> Iterator[int]:
    """Delete a file that was last used before `oldest`, and yield the file's size in bytes."""
    with suppress(FileNotFoundError):  # another rehearsal may delete the same file
        found = file.stat()
        if found.st_mtime < oldest:
            file.unlink()
            yield found.st_size


@contextmanager
def _locked(file: Path) -> Iterator[bool]:
    """Hold a lock file exclusively if no other process holds the lock; yield whether the lock is held."""
    with file.open("w") as lock:
        yield cache.take_lock(lock)
