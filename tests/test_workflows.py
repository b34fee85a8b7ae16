"""The workflows are valid, call what there is, and may do no more than they need."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.settings_fixtures import ROOT
from tests.test_docs import resolve

FOLDER = ROOT / ".github/workflows"
WORKFLOWS = sorted(FOLDER.iterdir())
MAY = {
    "checks": {"contents": "read"},
    "preview": {"contents": "read", "pull-requests": "write"},
    "deploy": {"contents": "read"},
    "charts": {},
}


def read(file: Path) -> dict[str, Any]:
    document = YAML(typ="safe", pure=True).load(file)
    assert isinstance(document, dict)
    return document


def steps(file: Path) -> Iterator[dict[str, Any]]:
    for job in read(file)["jobs"].values():
        yield from job["steps"]


def exists(target: str) -> bool:
    """Whether make knows how to make it; nothing is made."""
    done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode == 0


def targets(text: str) -> set[str]:
    return set(re.findall(r"\bmake ([a-z]+)", text))


def test_workflows_are_these() -> None:
    assert {file.stem for file in WORKFLOWS} == set(MAY)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_workflow_is_complete(file: Path) -> None:
    workflow = read(file)
    assert workflow["name"] == file.stem
    assert workflow["permissions"] == MAY[file.stem]
    for job in workflow["jobs"].values():
        assert "permissions" not in job or file.stem == "charts"
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_actions_have_versions(file: Path) -> None:
    for step in steps(file):
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|[0-9a-f]{40})", step["uses"])
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_what_is_run_exists(file: Path) -> None:
    called = set().union(*(targets(step.get("run", "")) for step in steps(file)))
    assert called
    assert {target for target in called if not exists(target)} == set()


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_commands_that_are_run_exist(file: Path) -> None:
    for step in steps(file):
        for words in re.findall(r"\./homelab ([^>\n]+)", step.get("run", "")):
            resolve([str(ROOT / "Pulumi.yaml") if word == "preview.json" else word for word in shlex.split(words)])


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_what_others_write_never_becomes_a_command(file: Path) -> None:
    """Expressions stand in `env`, where they are text."""
    assert [step["run"] for step in steps(file) if "${{" in step.get("run", "")] == []


def test_what_is_merged_is_done_one_after_the_other_and_only_when_let() -> None:
    workflow = read(FOLDER / "deploy.yaml")
    assert workflow["on"] == {"push": {"branches": ["main"]}}
    assert workflow["concurrency"]["cancel-in-progress"] is False
    (job,) = workflow["jobs"].values()
    assert job["environment"] == "lab"
    assert "vars.HOMELAB_RUNNER != ''" in job["if"]


def test_variables_and_secrets_are_explained() -> None:
    page = (ROOT / "docs/github.md").read_text()
    for file in WORKFLOWS:
        for name in re.findall(r"(?:vars|secrets)\.([A-Z_]+)", file.read_text()):
            assert f"`{name}`" in page, name


def test_a_preview_that_fails_is_told_and_fails() -> None:
    *_, preview, _, _, comment, refused = steps(FOLDER / "preview.yaml")
    assert '|| echo "failed=yes" >>"$GITHUB_OUTPUT"' in preview["run"]
    assert "if" not in comment
    assert (refused["if"], refused["run"]) == ("steps.preview.outputs.failed == 'yes'", "exit 1")


def test_ci_runs_everything() -> None:
    assert targets((ROOT / ".ci/run").read_text()) == {"test"}


def test_unknown_target_is_noticed() -> None:
    assert not exists("nothing")


def test_forks_are_given_no_secret() -> None:
    for file in WORKFLOWS:
        workflow = read(file)
        assert "pull_request_target" not in workflow["on"]
        for job in workflow["jobs"].values():
            if "secrets." in str(job) and "pull_request" in workflow["on"]:
                assert "github.event.pull_request.head.repo.full_name == github.repository" in job["if"]
