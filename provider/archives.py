"""Charts' archives in the project's folder: verified whenever they are used, and what Helm installs."""

import hashlib
import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from urllib.parse import quote

from .errors import TaskError
from .model import Chart
from .repository import fetch

FOLDER = ".charts"
"""Below the folder that Pulumi starts its plugins in, which is the project's."""


def path(chart: Chart) -> str:
    """Where the archive is kept. It is the same on every computer, and another one for another content."""
    return f"./{FOLDER}/{chart.name}-{quote(chart.version, safe='+')}-{chart.sha256}.tgz"


def keep(chart: Chart) -> Chart:
    """Have the archive in its place and return the chart with its sha256; blocks. Raises TaskError.

    A chart without one is fetched anew, because nothing says that what is kept is still what its repository has.
    """
    if chart.sha256 and _kept(chart) is not None:
        return chart
    _, archive = fetch(chart)
    found = chart.model_copy(update={"sha256": hashlib.sha256(archive).hexdigest()})
    _write(Path(path(found)), archive)
    return found


def read(chart: Chart) -> tuple[str, bytes]:
    """Where the archive comes from, and its content: the kept one, or else fetched; blocks. Raises TaskError."""
    kept = _kept(chart) if chart.sha256 else None
    return fetch(chart) if kept is None else (path(chart), kept)


def _kept(chart: Chart) -> bytes | None:
    """The archive that is kept, if it is what its name says."""
    try:
        archive = Path(path(chart)).read_bytes()
    except OSError:
        return None
    return archive if hashlib.sha256(archive).hexdigest() == chart.sha256 else None


def _write(file: Path, content: bytes) -> None:
    """Write the file in one move. Raises TaskError."""
    try:
        file.parent.mkdir(exist_ok=True)
        _give(file.parent)
        with NamedTemporaryFile(dir=file.parent, prefix=".", delete=False) as new:
            try:
                new.write(content)
                new.close()
                _give(Path(new.name))
                Path(new.name).replace(file)
            except BaseException:
                Path(new.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise TaskError(f"{file.absolute()} cannot be written: {error.strerror}. Pulumi needs the folder.") from error


def _give(file: Path) -> None:
    """To who owns the project, when root runs Pulumi: the owner will write there too."""
    if os.geteuid() == 0:
        owner = Path().stat()
        os.chown(file, owner.st_uid, owner.st_gid)
