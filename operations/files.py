"""Replaces files atomically."""

import os
from pathlib import Path
from tempfile import NamedTemporaryFile


def replace(file: Path, text: str, mode: int | None = None) -> None:
    """Replace a file atomically; without `mode`, keep the file's permissions. Symbolic links are followed."""
    target = file.resolve()
    permissions = target.stat().st_mode & 0o7777 if mode is None else mode
    with NamedTemporaryFile("w", dir=target.parent, prefix=f".{target.name}.", encoding="utf-8", delete=False) as new:
        try:
            new.write(text)
            new.flush()
            os.fchmod(new.fileno(), permissions)
            os.fsync(new.fileno())
            Path(new.name).replace(target)
        except BaseException:
            Path(new.name).unlink(missing_ok=True)
            raise
