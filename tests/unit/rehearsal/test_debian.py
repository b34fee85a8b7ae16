"""Parts of Debian: what is taken out of an unpacked system, and how it is packed."""

import os
import shutil
import tarfile
from pathlib import Path

import pytest

from rehearsal import debian, host_packages, root_filesystems
from rehearsal.debian import RootFilesystem
from rehearsal.shell import RehearsalError, run

LDD = """/usr/bin/sh:
\tlinux-vdso.so.1 (0x00007f8be62bf000)
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f8be60a0000)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f8be62c1000)
"""


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """A system with a shell, which is a link, and the libraries that it loads, which are links too."""
    root = tmp_path / "system"
    for path in ("usr/bin", "usr/lib/x86_64-linux-gnu", "usr/lib64"):
        (root / path).mkdir(parents=True)
    (root / "usr/bin/dash").write_bytes(b"\x7fELF shell")
    (root / "usr/bin/sh").symlink_to("dash")
    (root / "usr/bin/other").write_bytes(b"\x7fELF other")
    (root / "usr/lib/x86_64-linux-gnu/libc-2.so").write_bytes(b"library")
    (root / "usr/lib/x86_64-linux-gnu/libc.so.6").symlink_to("libc-2.so")
    (root / "usr/lib64/ld-linux-x86-64.so.2").symlink_to("../lib/x86_64-linux-gnu/libc-2.so")
    return root


def test_root_file_system_has_programs_and_libraries(
    system: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def ldd(command: list[object]) -> str:
        asked.append(command)
        return LDD

    monkeypatch.setattr(debian, "run", ldd)
    rootfs = RootFilesystem(
        ["usr/bin/sh"], ["git:x:5:6::/git:/bin/sh"], ["git"], {"etc/gitconfig": "[safe]\n"}, {"usr/local/bin/a": "b"}
    )
    debian.assemble(rootfs, system, tmp_path / "tree")
    assert asked == [["chroot", system, "ldd", "/usr/bin/dash"]]
    debian.pack(tmp_path / "tree", tmp_path / "tree.tar")
    with tarfile.open(tmp_path / "tree.tar") as tar:
        members = {member.name: member for member in tar}
    kept = {name: member.linkname for name, member in members.items() if not member.isdir()}
    assert kept == {
        "bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64", "sbin": "usr/sbin",
        "usr/bin/sh": "dash", "usr/bin/dash": "", "usr/local/bin/a": "b",
        "usr/lib/x86_64-linux-gnu/libc.so.6": "", "usr/lib64/ld-linux-x86-64.so.2": "",
        "etc/passwd": "", "etc/group": "", "etc/gitconfig": "",
    }  # fmt: skip
    assert members["tmp"].mode == 0o1777
    assert members["git"].isdir()
    assert (tmp_path / "tree/etc/group").read_text() == "git:x:6:\n"


def test_argocd_is_started_by_every_name_that_the_chart_gives() -> None:
    links = root_filesystems.ROOT_FILESYSTEMS["argocd"].links
    assert {name for name, target in links.items() if target == "argocd"} == {
        f"usr/local/bin/argocd-{name}" for name in root_filesystems.ARGOCD
    }


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("debootstrap"), reason="debootstrap is not here, or needs root"
)
def test_packages_without_a_signature_of_debian_are_rejected(tmp_path: Path) -> None:
    suite = tmp_path / "mirror/dists" / debian.RELEASE
    suite.mkdir(parents=True)
    (suite / "Release").write_text(f"Codename: {debian.RELEASE}\nComponents: main\nArchitectures: amd64 arm64\n")
    with (tmp_path / "log").open("w") as log, pytest.raises(RehearsalError):
        run([*debian.debootstrap(debian.RELEASE, tmp_path / "root"), f"file://{tmp_path}/mirror"], log=log)
    assert "Release.gpg" in (tmp_path / "log").read_text()


def test_without_debians_keyring_nothing_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "KEYRINGS", (tmp_path / "debian-archive-keyring.gpg",))
    monkeypatch.setattr(debian, "run", lambda *_, **__: pytest.fail("debootstrap was started"))
    with pytest.raises(RehearsalError) as refused:
        debian.unpack(["git"], tmp_path)
    assert str(refused.value) == (
        f"The signatures of Debian's packages cannot be verified, because {tmp_path}/debian-archive-keyring.gpg is "
        "missing: install the package debian-archive-keyring."
    )
    assert "debian-archive-keyring" in host_packages.missing()
