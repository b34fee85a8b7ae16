"""The workflows are valid, call what there is, and may do no more than they need."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.support.settings_fixtures import ROOT
from tests.unit.project.test_docs import resolve

FOLDER = ROOT / ".github/workflows"
WORKFLOWS = sorted(FOLDER.iterdir())
MAY = {
    "checks": {"checks": {"contents": "read"}, "rehearsal": {"contents": "read"}},
    "preview": {
        "reviewers": {"actions": "read"},
        "preview": {"contents": "read"},
        "comment": {"pull-requests": "write"},
    },
    "charts": {"sums": {"contents": "read"}, "commit": {"contents": "write", "actions": "write"}},
    "deploy": {"deploy": {"contents": "read"}},
}
GIVEN = re.compile(r"secrets\.[A-Z]|\$\{\{[^}]*\b(?:secrets|github\.token)\b")


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
    assert workflow["permissions"] == {}
    assert {name: job["permissions"] for name, job in workflow["jobs"].items()} == MAY[file.stem]
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            assert "uses" not in step or "env" not in step, "an action is given no secret"


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_actions_are_pinned_by_commit_and_name_their_version(file: Path) -> None:
    lines = [line.strip() for line in file.read_text().splitlines() if "uses:" in line]
    pinned = re.compile(r"- uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [line for line in lines if not pinned.fullmatch(line)] == []
    for step in steps(file):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_an_action_has_one_version_everywhere() -> None:
    found = {line.partition("uses: ")[2] for file in WORKFLOWS for line in file.read_text().splitlines()} - {""}
    assert len(found) == len({each.partition("@")[0] for each in found})


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
        for job in read(file)["jobs"].values():
            assert "environment" not in job or f"environment `{job['environment']}`" in page


def test_a_preview_that_fails_is_told_and_fails() -> None:
    jobs = read(FOLDER / "preview.yaml")["jobs"]
    (preview,) = (step for step in jobs["preview"]["steps"] if step.get("id") == "preview")
    assert '|| echo "failed=yes" >>"$GITHUB_OUTPUT"' in preview["run"]
    assert jobs["preview"]["outputs"]["failed"] == "${{ steps.preview.outputs.failed }}"
    *_, comment, refused = jobs["comment"]["steps"]
    assert jobs["comment"]["needs"] == "preview"
    assert "if" not in comment
    assert (refused["if"], refused["run"]) == ("needs.preview.outputs.failed == 'yes'", "exit 1")


def test_ci_runs_everything() -> None:
    assert targets((ROOT / ".ci/run").read_text()) == {"test"}


def test_unknown_target_is_noticed() -> None:
    assert not exists("nothing")


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_secrets_are_given_to_steps_only(file: Path) -> None:
    """Not even to a step's action: what it is given stands in `env`."""
    workflow = read(file)
    given = [env for step in steps(file) for env in step.pop("env", {}).values()]
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            step.pop("env", None)
    assert not GIVEN.search(str(workflow))
    assert all(re.fullmatch(r"\$\{\{ [\w.]+ \}\}", each) for each in given if GIVEN.search(each))


def test_secrets_are_in_environments_that_someone_lets_in() -> None:
    for file in WORKFLOWS:
        for name, job in read(file)["jobs"].items():
            wanted = {"preview": "preview", "deploy": "lab"}.get(name) if "secrets." in str(job) else None
            assert job.get("environment") == wanted, f"{file.stem}: {name}"


def test_code_that_nobody_reviewed_is_given_no_secret() -> None:
    """Forks have none; and a preview runs once a reviewer of its environment let it, if there is one."""
    for file in WORKFLOWS:
        assert not {"pull_request_target", "workflow_run"} & set(read(file)["on"])
    jobs = read(FOLDER / "preview.yaml")["jobs"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in jobs["reviewers"]["if"]
    assert (jobs["preview"]["needs"], "if" in jobs["preview"]) == ("reviewers", False)


def test_code_of_a_pull_request_runs_where_nothing_may_be_written() -> None:
    jobs = read(FOLDER / "preview.yaml")["jobs"]
    for name in ("reviewers", "comment"):
        assert jobs[name]["runs-on"] == "ubuntu-latest"
        assert not any("checkout" in step.get("uses", "") for step in jobs[name]["steps"])
        assert not re.search(r"make |\./", str([step.get("run") for step in jobs[name]["steps"]]))
    assert "secrets." not in str(jobs["comment"])


def reviewers(folder: Path, answer: str) -> tuple[int, str]:
    """Run the step that looks for reviewers, with a `gh` that answers so."""
    (script,) = (step["run"] for step in read(FOLDER / "preview.yaml")["jobs"]["reviewers"]["steps"])
    gh = folder / "gh"
    gh.write_text(f"#!/bin/sh\n{answer}\n")
    gh.chmod(0o755)
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "GITHUB_REPOSITORY": "me/lab"}
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    done = subprocess.run(shell, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_a_preview_waits_for_a_reviewer_or_does_not_run(tmp_path: Path) -> None:
    asked = '[ "$1 $2 $3" = "api repos/me/lab/environments/preview --jq" ] || exit 9; '
    assert reviewers(tmp_path, asked + "echo branch_policy; echo required_reviewers") == (0, "")
    for answer in ("echo branch_policy", "echo not found >&2; exit 1", "true"):
        status, said = reviewers(tmp_path, answer)
        assert status == 1
        assert said.startswith("::error::The environment preview has no required reviewers")
