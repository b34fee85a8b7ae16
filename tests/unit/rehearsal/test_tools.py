"""Where tools come from: kept, downloaded and verified, or built."""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest

from provider.download import sha256_of
from rehearsal import cache, download, go, host_packages, recipes, releases, tools
from rehearsal.cache import Recipe, obtain
from rehearsal.download import UnreachableError
from rehearsal.shell import RehearsalError
from tests.support.files_over_http import serve_files


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache.root()


@pytest.fixture
def said() -> list[str]:
    return []


def recipe(made: list[Path], ingredient: str = "flour") -> Recipe:
    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "bread").write_text(ingredient)

    return Recipe("bread", "1", (ingredient,), "baking", make)


def test_made_once_and_kept(said: list[str]) -> None:
    made: list[Path] = []
    first = obtain(recipe(made), said.append)
    assert obtain(recipe(made), said.append) == first
    assert (first / "bread").read_text() == "flour"
    assert len(made) == 1
    assert made[0] != first  # it was made beside, and renamed when it was whole
    assert said == ["bread 1: baking; later runs use the result"]


def test_another_recipe_is_another_folder(said: list[str]) -> None:
    made: list[Path] = []
    assert obtain(recipe(made), said.append) != obtain(recipe(made, "rye"), said.append)
    assert len(made) == 2


def test_failure_leaves_nothing_and_is_tried_again(own_cache: Path, said: list[str]) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise RehearsalError("oven is cold")

    with pytest.raises(RehearsalError, match="oven is cold"):
        obtain(Recipe("bread", "1", ("flour",), "baking", fail), said.append)
    assert not [found for found in own_cache.iterdir() if found.is_dir()]
    assert (obtain(recipe([]), said.append) / "bread").exists()


def test_remains_of_a_killed_run_are_replaced(own_cache: Path, said: list[str]) -> None:
    folder = recipe([]).folder
    part = own_cache / f".{folder.name}.part"
    part.mkdir(parents=True)
    (part / "half").touch()
    assert [found.name for found in obtain(recipe([]), said.append).iterdir()] == ["bread"]


def test_two_runs_make_it_once(said: list[str]) -> None:
    begun, go_on = threading.Event(), threading.Event()
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        begun.set()
        assert go_on.wait(10)
        (folder / "bread").touch()

    def report(line: str) -> None:
        said.append(line)
        if line.startswith("another rehearsal"):
            go_on.set()

    slow = Recipe("bread", "1", (), "baking", make)
    runs = [threading.Thread(target=obtain, args=(slow, report)) for _ in range(2)]
    runs[0].start()
    assert begun.wait(10)
    runs[1].start()
    for run in runs:
        run.join(10)
    assert len(made) == 1
    assert said[-1] == f"another rehearsal is building {slow.folder.name}: waiting for the end of the build"


def test_waiting_for_another_run_is_bounded(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    monkeypatch.setattr(cache, "TIMEOUT", 0.0)

    def make(_: Path) -> None:
        obtain(again, said.append)

    again = Recipe("bread", "1", (), "baking", make)
    with pytest.raises(RehearsalError, match="Another rehearsal has been building bread"):
        obtain(again, said.append)


def release(root: Path, content: bytes = b"#!/bin/sh\necho v9.9.9\n") -> str:
    """Lay out a release of Pulumi with one program; returns the archive's name."""
    name = recipes.released_pulumi("9.9.9").ingredients[0]
    assert isinstance(name, str)
    with tarfile.open(root / name, "w:gz") as tar:
        member = tarfile.TarInfo("pulumi/pulumi")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    sums = root / "v9.9.9" / "pulumi-9.9.9-checksums.txt"
    sums.parent.mkdir()
    sums.write_text(f"{'0' * 64}  other.tar.gz\n{sha256_of(root / name)}  {name}\n")
    return name


def test_official_download_is_verified_and_unpacked(tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "host").mkdir()
    release(tmp_path / "host")
    with serve_files(tmp_path / "host", tmp_path / "state") as url:
        folder = obtain(recipes.released_pulumi("9.9.9", url, url), said.append)
    assert [found.name for found in folder.iterdir()] == ["pulumi"]
    assert subprocess.check_output([folder / "pulumi"], text=True) == "v9.9.9\n"


def test_wrong_checksum_is_refused(tmp_path: Path, own_cache: Path, said: list[str]) -> None:
    (tmp_path / "host").mkdir()
    name = release(tmp_path / "host")
    with (tmp_path / "host" / name).open("ab") as archive:
        archive.write(b"changed on the way")
    refused = pytest.raises(RehearsalError, match="was rejected: its SHA-256 is")
    with serve_files(tmp_path / "host", tmp_path / "state") as url, refused:
        obtain(recipes.released_pulumi("9.9.9", url, url), said.append)
    assert not [found for found in own_cache.iterdir() if found.is_dir()]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "{served}/absent"])
def test_out_of_reach(tmp_path: Path, url: str) -> None:
    with serve_files(tmp_path, tmp_path / "state") as host, pytest.raises(UnreachableError):
        download.text(url.format(served=host))


def test_checksum_that_is_not_stated() -> None:
    with pytest.raises(RehearsalError, match=r"sums\.txt has no SHA-256 for k3s"):
        download.checksum_of("abc  k3s\n" + "0" * 64 + "  k3s-arm64\n", "k3s", "sums.txt")


def k3s_release(root: Path) -> None:
    contents = {"k3s": b"binary", "k3s-airgap-images-amd64.tar.zst": b"images", "install.sh": b"#!/bin/sh\n"}
    root.mkdir(parents=True)
    for name, content in contents.items():
        (root / name).write_bytes(content)
    lines = {name: f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in contents.items()}
    (root / "install.sh.sha256sum").write_text(lines.pop("install.sh"))
    (root / "sha256sum-amd64.txt").write_text("".join(lines.values()))


def test_k3s_release_is_fetched_under_its_encoded_name(tmp_path: Path, said: list[str]) -> None:
    k3s_release(tmp_path / "host" / "v1.2.3+k3s1")
    with serve_files(tmp_path / "host", tmp_path / "state") as url:
        found = releases.downloaded("v1.2.3+k3s1", "amd64", said.append, url, url)
    assert found.program.read_bytes() == b"binary"
    assert found.images
    assert found.images.read_bytes() == b"images"
    assert "/v1.2.3%2Bk3s1/k3s " in (tmp_path / "state" / "access.log").read_text()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("k3s", b"other", "k3s was rejected"),
        ("install.sh", b"other", r"install\.sh was rejected"),
        ("sha256sum-amd64.txt", None, "is missing from the air-gap bundle: add the file"),
    ],
)
def test_bundle_is_verified(tmp_path: Path, file: str, content: bytes | None, message: str) -> None:
    folder = tmp_path / "v1.2.3+k3s1"
    k3s_release(folder)
    assert releases.bundled(tmp_path, "v1.2.3+k3s1", "amd64").program == folder / "k3s"
    (folder / file).unlink() if content is None else (folder / file).write_bytes(content)
    with pytest.raises(RehearsalError, match=message):
        releases.bundled(tmp_path, "v1.2.3+k3s1", "amd64")


def test_bundle_without_the_version(tmp_path: Path) -> None:
    (tmp_path / "v1.2.3+k3s1").mkdir()
    with pytest.raises(RehearsalError, match=r"no folder v9\.9\.9 \(it has: v1\.2\.3\+k3s1\)"):
        releases.bundled(tmp_path, "v9.9.9", "amd64")


def program(folder: Path, name: str, output: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\necho {output}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(("go_says", "message"), [(None, "Go is not installed"), ("go1.25.3", "Go is go1.25.3")])
def test_go_that_will_not_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, go_says: str | None, message: str
) -> None:
    (tmp_path / "bin").mkdir()
    if go_says:
        program(tmp_path / "bin", "go", go_says)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(RehearsalError, match=rf"{message}.*install Go 1\.26 or newer"):
        go.release()


def test_newer_go_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin", "go", "go2.0")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert go.release() == "go2.0"


def test_pulumi_of_this_computer_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    program(tmp_path / "bin", "pulumi", "v3.300.0")
    for name in ("pulumi-language-python", "pulumi-resource-kubernetes"):
        program(tmp_path / "bin", name, "")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    found = tools.ensure(said.append)
    assert [tool.official for tool in found.tools] == [True, True, True]
    folders = found.path_env.split(os.pathsep)
    assert folders[0] == str(Path(sys.executable).parent)
    assert folders[1] == str(tmp_path / "bin")
    assert said == []


def test_older_pulumi_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    program(tmp_path / "bin", "pulumi", "v3.200.0")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    for kept in (recipes.built_pulumi(), recipes.built_provider()):
        kept.folder.mkdir(parents=True)
        program(kept.folder, kept.name.removesuffix("-built"), "")
    found = tools.ensure(said.append)
    assert found.pulumi.path == recipes.built_pulumi().folder / "pulumi"
    assert found.language.path == tools.LANGUAGE_HOST
    assert not any(tool.official for tool in found.tools)
    monkeypatch.setenv("PATH", found.path_env)
    assert tools.ensure(said.append) == found  # what was made here is never taken for this computer's own


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    for name in host_packages.PACKAGES.keys() - {"zstd", "ssh", "ssh-keygen"}:
        program(tmp_path / "bin", name, "")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))  # no apt-get there either
    with pytest.raises(RehearsalError, match="needs more Debian packages: install openssh-client, zstd"):
        host_packages.ensure(said.append)


def test_missing_packages_are_installed_by_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    for name in host_packages.PACKAGES.keys() - {"zstd"}:
        program(tmp_path / "bin", name, "")
    apt = tmp_path / "bin" / "apt-get"
    apt.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\n')
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    host_packages.ensure(said.append)
    assert (tmp_path / "asked").read_text() == "install --yes --quiet --no-install-recommends zstd\n"
    assert said == ["installing zstd"]
