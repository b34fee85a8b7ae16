"""Reproducible tar archives, compressed with zstd: the same content always gives the same bytes."""

import io
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rehearsal.shell import RehearsalError

COMPRESSION_LEVEL = 3  # fast, because the host that packs archives also unpacks the archives


class Packer:
    """A writer of reproducible tar archives: all members have owner ID 0 and modification time 0."""

    def __init__(self, output: IO[bytes], *, stream: bool = False) -> None:
        self._tar = tarfile.open(fileobj=output, mode="w|" if stream else "w", format=tarfile.GNU_FORMAT)  # noqa: SIM115

    def content(self, name: str, content: bytes, mode: int = 0o644) -> None:
        """Add a file with these bytes."""
        self._tar.addfile(_member(name, tarfile.REGTYPE, mode, len(content)), io.BytesIO(content))

    def file(self, name: str, source: Path, mode: int = 0o755) -> None:
        """Add a file from disk."""
        with source.open("rb") as opened:
            self._tar.addfile(_member(name, tarfile.REGTYPE, mode, source.stat().st_size), opened)

    def folder(self, name: str, mode: int = 0o755) -> None:
        """Add an empty folder."""
        self._tar.addfile(_member(name, tarfile.DIRTYPE, mode, 0))

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        member = _member(name, tarfile.SYMTYPE, 0o777, 0)
        member.linkname = target
        self._tar.addfile(member)

    def hard_link(self, name: str, target: str) -> None:
        """Add a hard link; `target` is the name of another member of the archive."""
        member = _member(name, tarfile.LNKTYPE, 0o755, 0)
        member.linkname = target
        self._tar.addfile(member)

    def close(self) -> None:
        """Write the end of the archive."""
        self._tar.close()


@contextmanager
def packed(target: Path) -> Iterator[Packer]:
    """Create the archive `target` (.tar.zst) with the members that the `with` block adds."""
    command = [_zstd(), f"-{COMPRESSION_LEVEL}", "-T0", "-q", "-f", "-o", str(target)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as zstd:
        assert zstd.stdin
        packer = Packer(zstd.stdin, stream=True)
        yield packer
        packer.close()
        zstd.stdin.close()
    if zstd.returncode:
        raise RehearsalError(f"The program zstd could not write {target}: zstd exited with code {zstd.returncode}.")


@contextmanager
def unpacked(source: Path) -> Iterator[tarfile.TarFile]:
    """Open the archive `source` (.tar.zst) for sequential reading."""
    with subprocess.Popen([_zstd(), "-dcq", str(source)], stdout=subprocess.PIPE) as zstd:
        assert zstd.stdout
        try:
            with tarfile.open(fileobj=zstd.stdout, mode="r|") as tar:
                yield tar
        except tarfile.TarError as error:
            raise RehearsalError(f"{source} cannot be read as a .tar.zst: {error}") from error


def _zstd() -> str:
    program = shutil.which("zstd")
    if not program:
        raise RehearsalError("The program zstd is not installed: install the package zstd.")
    return program


def _member(name: str, kind: bytes, mode: int, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.size = kind, mode, size
    return member
