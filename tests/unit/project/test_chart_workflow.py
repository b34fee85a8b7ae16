"""The workflow that gives a raised chart its checksum: what it may do, and what its last step does."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.settings_fixtures import ROOT
from tests.unit.project.test_workflows import FOLDER, read

WORKFLOW = read(FOLDER / "charts.yaml")
SUMS, COMMIT = WORKFLOW["jobs"]["sums"], WORKFLOW["jobs"]["commit"]
SCRIPT = COMMIT["steps"][-1]["run"]
GH = '#!/bin/sh\nif [ "$1" = auth ]; then printf "username=x\\npassword=x\\n"; else echo "$@" >>"$SAID"; fi\n'


def test_code_of_the_branch_runs_where_nothing_may_be_written() -> None:
    assert WORKFLOW["permissions"] == {}
    assert SUMS["permissions"] == {"contents": "read"}
    assert COMMIT["permissions"] == {"contents": "write", "actions": "write"}
    assert ".venv/bin/python -m operations.catalog_pins" in [step.get("run") for step in SUMS["steps"]]
    assert [step["run"] for step in COMMIT["steps"] if "run" in step] == [SCRIPT]
    assert not {"make", ".venv", "python"} & set(SCRIPT.split())


def test_it_runs_where_renovate_raised_the_catalog() -> None:
    assert WORKFLOW["on"] == {"push": {"branches": ["renovate/**"], "paths": ["stacks/catalog.py"]}}
    assert (ROOT / "stacks/catalog.py").is_file()
    assert "workflow_dispatch" in read(FOLDER / "checks.yaml")["on"], "it starts this one"


class Branch:
    """A branch in a repository of its own, and a clone in which the step runs."""

    def __init__(self, folder: Path) -> None:
        self.origin, self.clone, self.said = folder / "origin", folder / "clone", folder / "said"
        self.environment = {
            "PATH": f"{folder}:/usr/bin:/bin", "HOME": str(folder), "SAID": str(self.said), "GH_TOKEN": "x",
            "GITHUB_REF": "refs/heads/renovate/x", "GITHUB_REF_NAME": "renovate/x",
            **{f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }  # fmt: skip
        (folder / "gh").write_text(GH)
        (folder / "gh").chmod(0o755)
        self.git("init", "--quiet", "--bare", str(self.origin), at=folder)
        self.git("clone", "--quiet", str(self.origin), str(self.clone), at=folder)
        self.sums = self.clone / "stacks/charts.sha256"
        self.sums.parent.mkdir()
        self.sums.write_text("old\n")
        self.git("checkout", "--quiet", "-b", "renovate/x")
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", "raised")
        self.git("push", "--quiet", "origin", "renovate/x")

    def git(self, *words: str, at: Path | None = None) -> str:
        return self.run(["git", *words], at or self.clone).stdout

    def step(self) -> subprocess.CompletedProcess[str]:
        return self.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", SCRIPT], self.clone, check=False)

    def run(self, words: list[str], at: Path, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        given: dict[str, Any] = {"cwd": at, "env": self.environment, "capture_output": True, "text": True}
        return subprocess.run(words, check=check, **given)

    def pushed(self) -> list[str]:
        return self.git("log", "--format=%s", "renovate/x", at=self.origin).splitlines()


@pytest.fixture
def branch(tmp_path: Path) -> Branch:
    return Branch(tmp_path)


def test_checksums_are_committed_and_the_checks_started(branch: Branch) -> None:
    branch.sums.write_text("new\n")
    (branch.clone / "other").write_text("no part of it")
    assert branch.step().returncode == 0
    assert branch.pushed() == ["Update the checksums of the catalog's charts", "raised"]
    assert branch.git("show", "--name-only", "--format=", "renovate/x", at=branch.origin).split() == [
        "stacks/charts.sha256"
    ]
    assert branch.said.read_text() == "workflow run checks.yaml --ref renovate/x\n"


def test_nothing_is_pushed_when_nothing_changed(branch: Branch) -> None:
    assert branch.step().returncode == 0
    assert (branch.pushed(), branch.said.exists()) == (["raised"], False)


def test_a_branch_that_moved_on_is_left_alone(branch: Branch) -> None:
    branch.sums.write_text("new\n")
    other = branch.clone.parent / "other"
    branch.git("clone", "--quiet", "--branch", "renovate/x", str(branch.origin), str(other), at=branch.clone.parent)
    branch.git("commit", "--quiet", "--allow-empty", "--message", "raised again", at=other)
    branch.git("push", "--quiet", at=other)
    assert branch.step().returncode != 0
    assert (branch.pushed(), branch.said.exists()) == (["raised again", "raised"], False)
