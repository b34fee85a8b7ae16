"""Cleanup of the rehearsal's cache: the files that are deleted, and the files that stay."""

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import pytest
from typer.testing import CliRunner

from rehearsal import cache, cleanup, commands, image_cache
from rehearsal.cache import Recipe
from rehearsal.network_namespace import wait
from rehearsal.paths import PROJECT
from rehearsal.upstream import Upstream

DAY = 24 * 3600
DIGESTS = {name: f"sha256:{name * 64}" for name in "abc"}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "homelab"


def written(file: Path, age: float, content: str = "content") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    os.utime(file, (time.time() - age,) * 2)
    return file


def image(name: str, age: float) -> list[Path]:
    """An image's content in the cache, with its description."""
    file = image_cache.cache_folder() / DIGESTS[name].removeprefix("sha256:")
    return [written(file, age), written(file.with_suffix(".json"), 90 * DAY, '{"kind": "layer"}')]


def left() -> set[Path]:
    cleanup.clean(lambda _: None)
    return {file for file in image_cache.cache_folder().rglob("*") if file.is_file()}


def refuse(work: object) -> NoReturn:
    raise OSError(f"no way to {work}")


def test_images_and_charts_that_were_not_used_for_30_days_are_deleted() -> None:
    image("a", 31 * DAY)
    kept = image("b", 29 * DAY)
    written(image_cache.cache_folder() / "0123.tag", 31 * DAY)
    kept.append(written(image_cache.cache_folder() / "4567.tag", 29 * DAY))
    written(image_cache.cache_folder() / "charts/host/old-1.2.3.tgz", 31 * DAY)
    kept.append(written(image_cache.cache_folder() / "charts/host/new-1.2.3.tgz", 29 * DAY))
    written(image_cache.cache_folder() / f"{'d' * 64}.json", 90 * DAY)
    assert left() == set(kept)


def test_an_image_that_was_used_stays() -> None:
    kept = image("a", 31 * DAY)
    assert Upstream(image_cache.cache_folder(), refuse).blob("quay.io", "some/app", DIGESTS["a"])
    assert left() == set(kept)


def test_while_a_lab_runs_all_images_stay() -> None:
    kept = image("a", 31 * DAY)
    with image_cache.hold_cache(), image_cache.hold_cache():
        assert left() == set(kept)
    assert left() == set()


def test_the_server_of_a_lab_locks_the_image_cache(tmp_path: Path) -> None:
    state = tmp_path / "lab/server"
    state.mkdir(parents=True)
    options: list[str | Path] = ["--root", tmp_path, "--address", "127.0.0.1", "--state", state]
    options += ["--http-port", "0", "--webhook-port", "0"]
    kept = image("a", 31 * DAY)
    with subprocess.Popen([sys.executable, "-m", "rehearsal.server", *options], cwd=PROJECT) as server:
        try:
            wait((state / "webhook.log").exists, 60, lambda: "The server does not start.")
            assert left() == set(kept)
        finally:
            server.terminate()
    assert left() == set()


def test_interrupted_downloads_are_deleted() -> None:
    folder = image_cache.cache_folder()
    written(folder / ".4711-1.part", 2 * 3600)
    written(folder / "charts/host/.web.tgz.4711-1.part", 2 * 3600)
    running = written(folder / ".4712-1.part", 60)
    assert left() == {running}


def test_interrupted_builds_are_deleted_and_running_builds_stay() -> None:
    def recipe(name: str, content: str) -> Recipe:
        return Recipe(name, "1", (content,), "", lambda _: None)

    broken, running = (recipe("k3s", content).folder for content in ("old", "new"))
    for folder in (broken, running):
        written(folder.with_name(f".{folder.name}.part") / "k3s", 0, "x" * (1 << 20))
    said: list[str] = []
    with running.with_name(f".{running.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        cleanup.clean(said.append)
        assert not broken.with_name(f".{broken.name}.part").exists()
        assert running.with_name(f".{running.name}.part").exists()
    assert said == [f"deleted 1 MiB of unused and incomplete files from {cache.root().parent}"]
    cleanup.clean(said.append)
    assert not running.with_name(f".{running.name}.part").exists()


def test_a_missing_cache_needs_no_cleanup(own_cache: Path) -> None:
    cleanup.clean(pytest.fail)
    assert not own_cache.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="rehearsals need root")
@pytest.mark.parametrize(("command", "code"), [("up", 1), ("down", 0)])
def test_up_and_down_clean(command: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    old, _ = image("a", 31 * DAY)
    result = CliRunner().invoke(commands.app, [command, "--stack", "none"])
    assert result.exit_code == code, result.output
    assert not old.exists()
