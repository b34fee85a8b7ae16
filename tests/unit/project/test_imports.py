"""Who knows of whom: each package imports only what its place in the house lets it know."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.settings_fixtures import ROOT

KNOWS = {
    "__main__": {"stacks"},
    "cli": {"operations", "rehearsal"},
    "stacks": {"stacks", "components"},
    "components": {"components"},
    "provider": {"provider"},
    "operations": {"operations", "stacks", "components", "provider"},
    "rehearsal": {"rehearsal", "stacks", "components", "provider"},
    "bench": {"bench", "rehearsal", "stacks", "components"},
    "tests": {"tests", "bench", "stacks", "components", "provider", "operations", "rehearsal", "cli"},
}
ROOMS = ("settings", "kubernetes", "provider_resources", "cluster", "platform", "layers", "app")
"""Packages and modules of components/, lowest first: each imports only those before it, and itself."""
PLACES = {file.stem if file.is_file() else file.name for file in ROOT.iterdir() if not file.name.startswith(".")}
FILES = [
    file
    for name in KNOWS
    for file in ([ROOT / f"{name}.py"] if (ROOT / f"{name}.py").is_file() else sorted((ROOT / name).rglob("*.py")))
]


def imported(text: str, file: Path) -> Iterator[str]:
    """Yield the top-level name of everything that a file imports, by whatever statement."""
    for each in ast.walk(ast.parse(text)):
        if isinstance(each, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in each.names)
        elif isinstance(each, ast.ImportFrom):
            if each.level:
                package = file.relative_to(ROOT).parts[:-1]
                assert each.level <= len(package), f"{file}: the import leaves its package"
                yield package[0]
            else:
                yield (each.module or "").partition(".")[0]
        elif isinstance(each, ast.Call):
            called = each.func.attr if isinstance(each.func, ast.Attribute) else getattr(each.func, "id", "")
            assert called not in ("import_module", "__import__"), f"{file}:{each.lineno}: an import in disguise"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_file_imports_only_what_its_place_may_know(file: Path) -> None:
    place = file.relative_to(ROOT).parts[0].removesuffix(".py")
    ours = set(imported(file.read_text(), file)) & PLACES
    assert ours <= KNOWS[place], f"{place} must not know of {ours - KNOWS[place]}"


def imported_rooms(text: str) -> Iterator[str]:
    """Yield the room of everything that a file imports from components/, by whatever statement."""
    for node in ast.walk(ast.parse(text)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "components/ imports by absolute names"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith("components."))


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_of_components_imports_upward(room: str) -> None:
    below = set(ROOMS[: ROOMS.index(room) + 1])
    for file in FILES:
        if file.relative_to(ROOT).with_suffix("").parts[:2] == ("components", room):
            rooms = set(imported_rooms(file.read_text()))
            assert rooms <= below, f"{file}: {room} must not import {rooms - below}"


def test_every_module_of_components_is_in_a_room() -> None:
    rooms = {
        file.stem
        for file in (ROOT / "components").iterdir()
        if file.suffix == ".py" or (file / "__init__.py").is_file()
    }
    assert rooms - {"__init__"} == set(ROOMS)


def test_every_python_file_has_its_place() -> None:
    found = {file for file in ROOT.rglob("*.py") if not file.relative_to(ROOT).parts[0].startswith(".")}
    assert found == set(FILES)


def test_program_and_plugin_do_not_say_rehearsal() -> None:
    """Not by import, and not by name: no branch in them is for a rehearsal."""
    inside = [file for name in ("stacks", "components", "provider") for file in (ROOT / name).rglob("*")]
    for file in (ROOT / "__main__.py", *inside):
        if file.is_file() and file.suffix in (".py", ".sh"):
            assert "rehears" not in file.read_text().lower(), file


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import rehearsal.lab", {"rehearsal"}),
        ("def f():\n    from rehearsal import lab", {"rehearsal"}),
        ("from . import problems", {"stacks"}),
        ("from ..components import k3s", None),
        ("import importlib\nimportlib.import_module('rehearsal')", None),
    ],
)
def test_no_import_is_overlooked(text: str, found: set[str] | None) -> None:
    if found is None:
        with pytest.raises(AssertionError):
            list(imported(text, ROOT / "stacks/x.py"))
    else:
        assert set(imported(text, ROOT / "stacks/x.py")) == found
