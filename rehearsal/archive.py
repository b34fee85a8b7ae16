"""Tar archives with the same bytes whenever they are made, packed with zstd."""

import io
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rehearsal.shell import RehearsalError

LEVEL = 3  # fast: what is packed here is unpacked on this same computer


class Packer:
    """Adds to a tar archive what is given, with owner and time left out."""

    def __init__(self, output: IO[bytes], *, stream: bool = False) -> None:
        self._tar = tarfile.open(fileobj=output, mode="w|" if stream else "w", format=tarfile.GNU_FORMAT)  # noqa: SIM115

    def content(self, name: str, content: bytes, mode: int = 0o644) -> None:
        """Add a file with these bytes."""
        self._tar.addfile(_member(name, tarfile.REGTYPE, mode, len(content)), io.BytesIO(content))

    def file(self, name: str, source: Path, mode: int = 0o755) -> None:
        """Add a file as it is on disk."""
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

    def same(self, name: str, target: str) -> None:
        """Add another name of a file that was added as `target`."""
        member = _member(name, tarfile.LNKTYPE, 0o755, 0)
        member.linkname = target
        self._tar.addfile(member)

    def close(self) -> None:
        """Write the end of the archive."""
        self._tar.close()


@contextmanager
def packed(target: Path) -> Iterator[Packer]:
    """Pack what the block adds into `target`, a .tar.zst."""
    command = [_zstd(), f"-{LEVEL}", "-T0", "-q", "-f", "-o", str(target)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as zstd:
        assert zstd.stdin
        packer = Packer(zstd.stdin, stream=True)
        yield packer
        packer.close()
        zstd.stdin.close()
    if zstd.returncode:
        raise RehearsalError(f"zstd could not write {target}: it ended with {zstd.returncode}.")


@contextmanager
def unpacked(source: Path) -> Iterator[tarfile.TarFile]:
    """The archive in `source`, a .tar.zst, to be read from its beginning to its end."""
    with subprocess.Popen([_zstd(), "-dcq", str(source)], stdout=subprocess.PIPE) as zstd:
        assert zstd.stdout
        try:
            with tarfile.open(fileobj=zstd.stdout, mode="r|") as tar:
                yield tar
        except tarfile.TarError as error:
            raise RehearsalError(f"{source} cannot be read as a .tar.zst: {error}") from error


def _zstd() -> str:
    found = shutil.which("zstd")
    if not found:
        raise RehearsalError("The program zstd is not there: install the package zstd.")
    return found


def _member(name: str, kind: bytes, mode: int, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.size = kind, mode, size
    return member
