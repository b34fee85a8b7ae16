"""Programs of the platform that are built here: what is needed, once, with images and charts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from components.kubernetes.chart import Chart
from rehearsal import programs
from rehearsal.cache import Recipe
from rehearsal.images import Image
from rehearsal.programs import Program, WebUi
from rehearsal.shell import RehearsalError

CHART = Chart("metallb", "0.16.1", "https://charts.invalid")


def program(made: list[str]) -> Program:
    def make(folder: Path) -> None:
        made.append(folder.name)
        (folder / "speaker").write_bytes(b"speaks")
        (folder / "chart").mkdir()

    return Program(
        ("metallb",),
        lambda: Recipe("metallb", "1", (), "seconds", make),
        lambda folder: (Image.of("quay.io/metallb/speaker:v1", folder / "speaker"),),
        lambda folder: folder / "chart",
    )


def test_what_charts_need_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made: list[str] = []
    for _ in range(2):
        built = programs.build([CHART], print, [program(made)])
    assert len(made) == 1
    assert built.charts["metallb"].is_dir()
    assert [name for layout in built.layouts for name in layout.images] == ["quay.io/metallb/speaker:v1"]
    assert [(row.name, row.real) for row in built.rows] == [("metallb 1", True)]


def test_what_no_chart_needs_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made: list[str] = []
    assert programs.build([], print, [program(made)]) == programs.BuiltPrograms()
    assert made == []


def with_web_ui(make: Callable[[Path], None]) -> Program:
    def images(folder: Path, web_ui: Path | None = None) -> tuple[Image, ...]:
        files = {"/speaker": folder / "speaker", **({"/ui": web_ui / "index.html"} if web_ui else {})}
        return (Image("quay.io/metallb/speaker:v1", files, ("/speaker",)),)

    built = program([])
    return Program(
        built.charts, built.recipe, images, web_ui=WebUi("its login page", lambda: Recipe("ui", "1", (), "", make))
    )


def layer(built: programs.BuiltPrograms) -> bytes:
    (layout,) = built.layouts
    return b"".join(file.read_bytes() for file in (layout.folder / "blobs/sha256").iterdir())


def test_web_ui_is_in_the_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def make(folder: Path) -> None:
        (folder / "index.html").write_text("log in")

    built = programs.build([CHART], print, [with_web_ui(make)])
    assert b"log in" in layer(built)
    assert [(row.name, row.origin, row.real) for row in built.rows[1:]] == [
        ("web UI of metallb", "its login page", False)
    ]


def test_program_runs_without_a_web_ui_that_cannot_be_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    said: list[str] = []

    def fail(_: Path) -> None:
        raise RehearsalError("npm cannot reach its registry")

    built = programs.build([CHART], said.append, [with_web_ui(fail)])
    assert b"speaks" in layer(built)
    assert built.rows[1].origin == "none, because its build failed"
    assert said[-2] == (
        "metallb runs without a web UI, because the build of the web UI failed: npm cannot reach its registry"
    )
