"""The cache of downloads and builds: which changes of a recipe's file cause a new build."""

from pathlib import Path

import pytest

from rehearsal.cache import Recipe, code_of

CODE = '''"""Builds a program."""

VERSION = "1"
"""Version of the program."""


def make() -> str:
    """Return the version."""
    return VERSION  # as published
'''


def folder_name(code: str, folder: Path) -> str:
    file = folder / f"{abs(hash(code))}.py"
    file.write_text(code)
    return Recipe("program", "1", (code_of(str(file)),), "seconds", lambda _: None).folder.name


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Builds a program."""', '"""Builds the program."""'),
        ('"""Version of the program."""', '"""The version."""'),
        ('    """Return the version."""\n', ""),
        ("  # as published", "  # as the authors publish it"),
    ],
)
def test_another_text_causes_no_build(old: str, new: str, tmp_path: Path) -> None:
    assert old in CODE
    assert folder_name(CODE.replace(old, new), tmp_path) == folder_name(CODE, tmp_path)


@pytest.mark.parametrize(("old", "new"), [('"1"', '"2"'), ("return VERSION", 'return ""'), ("make", "build")])
def test_another_code_causes_a_build(old: str, new: str, tmp_path: Path) -> None:
    assert old in CODE
    assert folder_name(CODE.replace(old, new), tmp_path) != folder_name(CODE, tmp_path)


def test_a_function_of_a_docstring_alone_is_still_code(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text('def nothing() -> None:\n    """Do nothing."""\n')
    compile(code_of(str(file)), "module.py", "exec")
