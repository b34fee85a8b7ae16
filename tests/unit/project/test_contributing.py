"""What contributors meet first: hooks, container, templates, the list of changes."""

import json
import re
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stacks.version import VERSION
from tests.support.settings_fixtures import ROOT

TEMPLATES = ROOT / ".github/ISSUE_TEMPLATE"


def read(file: Path) -> Any:
    return YAML(typ="safe", pure=True).load(file)


def test_hooks_run_programs_of_the_lock() -> None:
    (local,) = read(ROOT / ".pre-commit-config.yaml")["repos"]
    assert local["repo"] == "local"
    for hook in local["hooks"]:
        program = hook["entry"].split()[0]
        assert program.startswith(".venv/bin/")
        assert (Path(sys.executable).parent / Path(program).name).exists(), program
        assert hook["language"] == "system"
        for file in re.findall(r"tests/\S+", hook["entry"]):
            assert (ROOT / file).exists()


def test_the_hook_for_generated_files_names_a_test() -> None:
    (hook,) = (
        hook for hook in read(ROOT / ".pre-commit-config.yaml")["repos"][0]["hooks"] if hook["id"] == "generated"
    )
    assert "-k generated" in hook["entry"]
    assert "def test_files_are_as_generated" in (ROOT / "tests/unit/settings/test_schema.py").read_text()


def test_the_container_sets_itself_up() -> None:
    found = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert found["postCreateCommand"] == "make setup"
    version = re.search(r"/python:3\.(\d+)", found["image"])
    assert version
    assert int(version[1]) >= 11


def test_forms_are_complete() -> None:
    forms = [file for file in TEMPLATES.glob("*.yaml") if file.stem != "config"]
    assert {file.stem for file in forms} == {"bug", "layer"}
    for file in forms:
        form = read(file)
        assert form["name"]
        assert form["description"]
        fields = [field["id"] for field in form["body"]]
        assert len(set(fields)) == len(fields)
        assert any(field.get("validations", {}).get("required") for field in form["body"])


def test_this_version_is_in_the_list_of_changes() -> None:
    assert f"\n## {VERSION}\n" in (ROOT / "CHANGELOG.md").read_text()
