"""`./homelab trust` against SSH servers on loopback."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import cli
from components.settings.host_keys import host_key
from operations import host_keys, stackfile_editor
from operations.host_keys import fingerprint, is_placeholder, placeholder
from stacks.settings import LabStack
from tests.support.fake_pulumi import FakePulumi
from tests.support.machines_on_loopback import public_key, redirect_nodes, serve_machines, write_stack_file
from tests.support.settings_fixtures import SAMPLE, VALID
from tests.support.ssh_server import USER_KEY, SshMachine

OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINUEb3Io/8JyA2aMqZwLeIKWUpUs3iNeveaCnloqDzAr"
TWO: tuple[dict[str, Any], dict[str, Any]] = ({"name": "one"}, {"name": "two", "role": "agent"})


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[SshMachine]]:
    """Two machines, and a Pulumi that knows the key which opens them."""
    FakePulumi(tmp_path / "pulumi", monkeypatch).set_secret(USER_KEY.export_private_key().decode())
    with serve_machines(tmp_path / "homes", "one", "two") as found:
        redirect_nodes(found, monkeypatch)
        yield found


def run(file: Path, *options: str, answer: str | None = None) -> Result:
    words = ["trust", "--stack", "lab", "--config-file", str(file), *options]
    return CliRunner().invoke(cli.app, words, input=answer, env={"COLUMNS": "120"})


def pinned(file: Path) -> list[str]:
    return [node.host_key for node in LabStack.read(file).cluster.nodes]


def short(key: str) -> str:
    return fingerprint(key).removeprefix("SHA256:")


def test_new_keys_are_shown_and_written_after_a_yes(lab: list[SshMachine], tmp_path: Path) -> None:
    file = write_stack_file(tmp_path, *TWO)
    before = file.read_text().splitlines()
    result = run(file, answer="y\n")
    assert result.exit_code == 0, result.output
    assert all(short(public_key(each)) in result.output for each in lab)
    assert "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" in result.output
    assert pinned(file) == [public_key(each) for each in lab]
    assert [line for line in file.read_text().splitlines() if "hostKey" not in line] == before
    assert all(each.logins == [] for each in lab), "nobody logs in where the key is not known yet"


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_without_a_yes_nothing_is_written(lab: list[SshMachine], tmp_path: Path, answer: str) -> None:
    file = write_stack_file(tmp_path, *TWO)
    before = file.read_bytes()
    result = run(file, answer=answer)
    assert result.exit_code == 1
    assert "Not pinned: one, two." in result.output
    assert file.read_bytes() == before


def test_keys_that_are_pinned_need_no_answer(lab: list[SshMachine], tmp_path: Path) -> None:
    file = write_stack_file(
        tmp_path, *({**node, "hostKey": public_key(each)} for node, each in zip(TWO, lab, strict=True))
    )
    before = file.read_bytes()
    result = run(file)
    assert result.exit_code == 0, result.output
    assert result.output.count("as pinned") == 2
    assert file.read_bytes() == before


def test_another_key_than_the_pinned_one_is_asked_about_by_its_own_name(lab: list[SshMachine], tmp_path: Path) -> None:
    file = write_stack_file(tmp_path, {**TWO[0], "hostKey": OTHER}, TWO[1])
    result = run(file, "--yes")
    assert result.exit_code == 1
    assert "one (127.0.0.1) presents a host key that DIFFERS from the pinned host key." in result.output
    assert short(OTHER) in result.output
    assert "Not pinned: one." in result.output
    assert pinned(file) == [OTHER, public_key(lab[1])], "--yes takes new keys only"
    result = run(file, "--replace", "one")
    assert result.exit_code == 0, result.output
    assert pinned(file) == [public_key(each) for each in lab]


def test_a_machine_that_is_silent_is_named_and_the_others_are_pinned(lab: list[SshMachine], tmp_path: Path) -> None:
    file = write_stack_file(tmp_path, *TWO)
    lab[1].port, port = 9, lab[1].port
    with pytest.MonkeyPatch.context() as patch:
        redirect_nodes(lab, patch)
        result = run(file, "--yes")
    lab[1].port = port
    assert result.exit_code == 1
    assert "no answer" in result.output
    assert "Not pinned: two." in result.output
    assert "hostKey" not in file.read_text().partition("name: two")[2]


def test_copies_of_one_disk_are_noticed(lab: list[SshMachine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab[1].port = lab[0].port
    redirect_nodes(lab, monkeypatch)
    file = write_stack_file(tmp_path, *TWO)
    result = run(file, "--yes")
    assert result.exit_code == 1
    assert "one, two have the same host key" in result.output
    assert "hostKey" not in file.read_text()


def test_other_mistakes_in_the_file_come_first(tmp_path: Path) -> None:
    result = run(write_stack_file(tmp_path, {"role": "king"}))
    assert result.exit_code == 1
    assert "role (one): is not one of the choices" in result.output
    assert "No changes were made." in result.output


def test_machines_behind_a_bastion_wait_for_its_key(
    lab: list[SshMachine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bastion is asked first; nobody is asked through one that is not trusted."""
    redirect_nodes(lab, monkeypatch, bastion=lab[1])
    bastion = {"address": "10.9.0.5", "user": "pi"}
    ssh = {"user": "pi", "privateKey": {"secret": "key"}, "bastion": bastion}
    file = write_stack_file(tmp_path, TWO[0], ssh=ssh)
    result = run(file, answer="n\n")
    assert result.exit_code == 1, result.output
    assert "its bastion 127.0.0.1 has no pinned host key yet" in result.output
    assert lab[1].logins == []
    result = run(file, "--yes")
    assert result.exit_code == 0, result.output
    found = LabStack.read(file).cluster
    assert found.ssh.bastion
    assert (found.ssh.bastion.host_key, found.nodes[0].host_key) == (public_key(lab[1]), public_key(lab[0]))
    assert lab[1].tunnels == [("127.0.0.1", lab[0].port)]


def test_the_key_of_the_pinned_type_is_asked_for_first() -> None:
    assert host_keys.algorithms(None)[0] == "ssh-ed25519"
    assert host_keys.algorithms("ecdsa-sha2-nistp256 AAAA")[:2] == ["ecdsa-sha2-nistp256", "ssh-ed25519"]
    assert host_keys.algorithms("ssh-rsa AAAA")[:3] == ["rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519"]


def test_placeholders_are_keys_that_nobody_has() -> None:
    made = [placeholder(number) for number in range(600)]
    assert len(set(made)) == 600
    assert [host_key(key) for key in made] == made
    assert all(map(is_placeholder, made))
    assert not is_placeholder(OTHER)


@pytest.mark.parametrize("file", [SAMPLE, *VALID], ids=lambda file: file.stem)
def test_every_other_line_stays_in_its_place(file: Path) -> None:
    before = file.read_text()
    without = "".join(line for line in before.splitlines(keepends=True) if not line.lstrip().startswith("hostKey:"))
    count = len(LabStack.read(file).cluster.nodes)
    places: dict[stackfile_editor.KeyPath, str] = {("nodes", index): OTHER for index in range(count)}
    after = stackfile_editor.with_host_keys(without, places)
    lines = iter(after.splitlines())
    assert [line for line in without.splitlines() if "{" not in line and line not in lines] == []
    assert after.count(OTHER) >= count
