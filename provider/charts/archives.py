"""Cache Helm chart archives in the project's folder.

Helm installs charts from the cached archives. Every read from the cache verifies the archive's checksum.
"""

import hashlib
import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from urllib.parse import quote

from provider.charts.repository import fetch
from provider.errors import TaskError
from provider.model import Chart

FOLDER = ".charts"
"""Folder of the cache, relative to the project's folder; Pulumi starts its plugins in the project's folder."""


def cached_path(chart: Chart) -> str:
    """Return the path of a chart's cached archive in the project's folder.

    The name of the cached archive contains the archive's SHA-256.
    """
    return f"./{FOLDER}/{chart.name}-{quote(chart.version, safe='+')}-{chart.sha256}.tgz"


def cache(chart: Chart) -> Chart:
    """Store a chart's archive in the cache, and return the chart with the SHA-256 of the archive. Raises TaskError.

    This call blocks. homelab always downloads a chart without a pinned SHA-256, because the archive in the repository
    may change.
    """
    if chart.sha256 and _cached(chart) is not None:
        return chart
    _, archive = fetch(chart)
    fetched = chart.model_copy(update={"sha256": hashlib.sha256(archive).hexdigest()})
    _write(Path(cached_path(fetched)), archive)
    return fetched


def read_or_fetch(chart: Chart) -> tuple[str, bytes]:
    """Return a chart archive's path or URL and its content; download the archive if the cache lacks it.

    This call blocks. Raises TaskError.
    """
    cached = _cached(chart) if chart.sha256 else None
    return fetch(chart) if cached is None else (cached_path(chart), cached)


def _cached(chart: Chart) -> bytes | None:
    """Return a chart's archive from the cache, or None if the cached file is missing or has the wrong checksum."""
    try:
        archive = Path(cached_path(chart)).read_bytes()
    except OSError:
        return None
    return archive if hashlib.sha256(archive).hexdigest() == chart.sha256 else None


def _write(file: Path, content: bytes) -> None:
    """Write the file atomically. Raises TaskError."""
    try:
        file.parent.mkdir(exist_ok=True)
        _set_owner(file.parent)
        with NamedTemporaryFile(dir=file.parent, prefix=".", delete=False) as new:
            try:
                new.write(content)
                new.close()
                _set_owner(Path(new.name))
                Path(new.name).replace(file)
            except BaseException:
                Path(new.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise TaskError(
            f"homelab cannot write {file.absolute()}: {error.strerror}. "
            "Make the file's folder writable, because homelab caches Helm charts in this folder."
        ) from error


def _set_owner(file: Path) -> None:
    """When root runs Pulumi, change the file's owner to the owner of the project's folder."""
    if os.geteuid() == 0:
        owner = Path().stat()
        os.chown(file, owner.st_uid, owner.st_gid)
