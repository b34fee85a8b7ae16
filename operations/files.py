"""Files that are replaced whole or not at all, and what they sum up to."""

import hashlib
import os
from pathlib import Path
from tempfile import NamedTemporaryFile


def replace(file: Path, text: str, mode: int | None = None) -> None:
    """Write `text` in one move, with `mode` or with that of the file which was there; a link stays a link."""
    target = file.resolve()
    wanted = target.stat().st_mode & 0o7777 if mode is None else mode
    with NamedTemporaryFile("w", dir=target.parent, prefix=f".{target.name}.", encoding="utf-8", delete=False) as new:
        try:
            new.write(text)
            new.flush()
            os.fchmod(new.fileno(), wanted)
            os.fsync(new.fileno())
            Path(new.name).replace(target)
        except BaseException:
            Path(new.name).unlink(missing_ok=True)
            raise


def sha256(file: Path) -> str:
    """The checksum of what is in it."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
