"""Programs of the platform that are built here: what is needed, once, with images and charts."""

from pathlib import Path

import pytest

from components.kubernetes.chart import Chart
from rehearsal import programs
from rehearsal.cache import Recipe
from rehearsal.images import Image
from rehearsal.programs import Program

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
