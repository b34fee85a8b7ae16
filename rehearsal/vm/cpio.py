"""Writes cpio archives, from which a Linux kernel unpacks its initial RAM file system (initramfs)."""

import stat
from collections.abc import Iterator
from pathlib import Path

ALIGNMENT = 4
END = "TRAILER!!!"


def pack(folder: Path) -> bytes:
    """Return the files of `folder` as a cpio archive in the format `newc`; the kernel accepts several in a row."""
    members = [_member(str(path.relative_to(folder)), path) for path in sorted(folder.rglob("*"))]
    return b"".join([*members, _header(END, 0, 0, 0, 0), *_padded(f"{END}\0".encode(), 2)])


def _member(name: str, path: Path) -> bytes:
    found = path.lstat()
    content = b""
    if path.is_symlink():
        content = str(path.readlink()).encode()
    elif path.is_file():
        content = path.read_bytes()
    header = _header(name, found.st_mode, found.st_uid, found.st_gid, len(content))
    return b"".join([header, *_padded(f"{name}\0".encode(), 2), *_padded(content, 0)])


def _header(name: str, mode: int, uid: int, gid: int, size: int) -> bytes:
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (0, mode, uid, gid, links, 0, size, 0, 0, 0, 0, len(name.encode()) + 1, 0)
    return b"070701" + b"".join(f"{field:08x}".encode() for field in fields)


def _padded(content: bytes, offset: int) -> Iterator[bytes]:
    """Yield `content` and zeros up to the alignment; a header of 110 bytes leaves the name at the `offset` 2."""
    yield content
    yield bytes(-(len(content) + offset) % ALIGNMENT)
