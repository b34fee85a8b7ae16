"""The lab's Git server, without a lab: what it asks Git, what it makes of the answer, whose keys it wants."""

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal import git, server
from rehearsal.root_filesystems import GIT_UID, REPOSITORIES
from rehearsal.shell import run


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The mirror's URL, with `git/apps.git` in the lab's folder."""
    bare, copy, state = tmp_path / "git/apps.git", tmp_path / "copy", tmp_path / "server"
    for command in (
        ["git", "init", "--quiet", "--bare", "--initial-branch=main", str(bare)],
        ["git", "clone", "--quiet", str(bare), str(copy)],
        ["git", "-C", str(copy), "-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qm", "x", "--allow-empty"],
        ["git", "-C", str(copy), "push", "--quiet", "origin", "HEAD:main"],
    ):
        subprocess.run(command, check=True, capture_output=True)
    state.mkdir()
    (state / git.ROOT_RECORD).write_text("/")

    def here(_: Path, repositories: Path, *command: str) -> list[str]:
        return ["env", f"GIT_PROJECT_ROOT={repositories}", *command]

    monkeypatch.setattr(git, "chroot_command", here)
    service = server.create_mirror(tmp_path, "127.0.0.1", 0, state)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{service.server_address[1]}/git"
    service.shutdown()
    service.server_close()


def test_repository_is_cloned_over_http(address: str, tmp_path: Path) -> None:
    subprocess.run(["git", "clone", "--quiet", f"{address}/apps.git", str(tmp_path / "clone")], check=True)
    said = subprocess.run(["git", "-C", str(tmp_path / "clone"), "log", "--format=%s"], capture_output=True, check=True)
    assert said.stdout == b"x\n"


def test_nothing_is_pushed_over_http(address: str, tmp_path: Path) -> None:
    push = ["git", "-C", str(tmp_path / "copy"), "push", f"{address}/apps.git", "HEAD:other"]
    done = subprocess.run(push, capture_output=True, check=False)
    assert done.returncode
    assert b"403" in done.stderr


def test_repository_that_is_not_there_is_not_found(address: str) -> None:
    done = subprocess.run(["git", "ls-remote", f"{address}/none.git"], capture_output=True, check=False)
    assert b"not found" in done.stderr


def test_before_git_is_served_nothing_is_there(tmp_path: Path) -> None:
    assert git.respond(tmp_path, "GET", "/git/apps.git/HEAD", {}, b"").status == 404


def test_git_that_breaks_off_is_a_bad_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / git.ROOT_RECORD).write_text("/")
    monkeypatch.setattr(git, "chroot_command", lambda *_: ["false"])
    assert git.respond(tmp_path, "GET", "/git/apps.git/HEAD", {}, b"").status == 502


def test_the_tree_is_entered_with_the_repositories_in_it() -> None:
    command = git.chroot_command(Path("/tree"), Path("/lab/git"), "git", "version")
    assert command[:3] == ["unshare", "--mount", "--propagation=private"]
    assert command[-6:] == ["/lab/git", "/tree", "/git", str(GIT_UID), "git", "version"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_git_runs_as_a_user_that_reads_repositories_and_changes_nothing(tmp_path: Path) -> None:
    tree, repositories = tmp_path / "tree", tmp_path / "lab/git"
    for folder in (repositories, *(tree / name for name in ("usr", "dev", REPOSITORIES.removeprefix("/")))):
        folder.mkdir(parents=True)
    for name in ("bin", "lib", "lib64"):
        (tree / name).symlink_to(f"usr/{name}")
    (repositories / "HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / "lab").chmod(0o700)
    script = f"id -u; id -G; cat {REPOSITORIES}/HEAD; touch {REPOSITORIES}/HEAD || echo refused"
    inside = git.chroot_command(tree, repositories, "sh", "-c", script)
    with_programs = 'mount --rbind /usr "$1/usr"; shift; exec "$@"'
    printed = run(["unshare", "--mount", "--propagation=private", "sh", "-euc", with_programs, "sh", tree, *inside])
    assert printed.splitlines() == [str(GIT_UID), str(GIT_UID), "ref: refs/heads/main", "refused"]
