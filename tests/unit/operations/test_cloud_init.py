"""`./homelab cloud-init`: the files for the first boot of a machine, and the host key in the stack file."""

import stat
import subprocess
from pathlib import Path
from typing import Any

import asyncssh
import pytest
import yaml
from typer.testing import CliRunner, Result

import cli
from operations import files
from stacks.settings import LabStack
from tests.support.fake_pulumi import FakePulumi
from tests.support.machines_on_loopback import write_stack_file
from tests.support.ssh_server import USER_KEY

OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINUEb3Io/8JyA2aMqZwLeIKWUpUs3iNeveaCnloqDzAr"
PUBLIC = " ".join(USER_KEY.export_public_key().decode().split()[:2])
PINNED = {"name": "two", "role": "agent", "hostKey": OTHER}


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A file with a public key."""
    file = tmp_path / "id.pub"
    file.write_text(f"# mine\n{PUBLIC} me@desk\n")
    return file


def run(file: Path, *options: str, answer: str | None = None) -> Result:
    words = ["cloud-init", *options, "--stack", "lab", "--config-file", str(file), "--output", str(output(file))]
    return CliRunner().invoke(cli.app, words, input=answer, env={"COLUMNS": "120"})


def output(file: Path) -> Path:
    return file.parent / "made/one"


def written(file: Path, name: str) -> Any:
    return yaml.safe_load((output(file) / name).read_text())


def host_key_in(file: Path) -> str | None:
    value = yaml.safe_load(file.read_text())["config"]["homelab:cluster"]["nodes"][0].get("hostKey")
    return value if value is None else str(value)


def test_the_files_describe_the_node_and_the_stack_file_pins_their_host_key(tmp_path: Path, key: Path) -> None:
    file = write_stack_file(tmp_path, {}, PINNED)
    before = file.read_text().splitlines()
    result = run(file, "one", "--authorized-key", str(key))
    assert result.exit_code == 0, result.output
    text = (output(file) / "user-data").read_text()
    assert text.startswith("#cloud-config\n")
    data = yaml.safe_load(text)
    assert data["hostname"] == written(file, "meta-data")["local-hostname"] == "one"
    assert data["users"] == [
        {"name": "pi", "lock_passwd": True, "ssh_authorized_keys": [PUBLIC], "shell": "/bin/bash",
         "sudo": "ALL=(ALL) NOPASSWD:ALL"}
    ]  # fmt: skip
    assert data["ssh_pwauth"] is False
    assert "manage_etc_hosts" not in data
    assert "write_files" not in data, "sshd's port is the default"
    private = asyncssh.import_private_key(data["ssh_keys"]["ed25519_private"])
    public = " ".join(private.export_public_key().decode().split()[:2])
    assert public == data["ssh_keys"]["ed25519_public"] == host_key_in(file)
    assert [line for line in file.read_text().splitlines() if public not in line] == before
    assert LabStack.read(file).cluster.nodes[1].host_key == OTHER
    assert "genisoimage" in result.output
    assert f"./homelab doctor --stack lab --config-file {file}" in result.output
    assert "OPENSSH PRIVATE KEY" not in result.output


def test_only_the_owner_reads_the_files_and_git_ignores_them(tmp_path: Path, key: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    file = write_stack_file(tmp_path, {})
    assert run(file, "one", "--authorized-key", str(key)).exit_code == 0
    assert stat.S_IMODE(output(file).stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in output(file).iterdir()} == {0o600}
    shown = subprocess.run(
        ["git", "-C", tmp_path, "status", "--short", "-uall"], check=True, capture_output=True, text=True
    )
    assert "made" not in shown.stdout


def test_a_pinned_host_key_is_replaced_only_on_request(tmp_path: Path, key: Path) -> None:
    file = write_stack_file(tmp_path, {"hostKey": OTHER})
    result = run(file, "one", "--authorized-key", str(key))
    assert result.exit_code == 1
    assert "Pulumi.lab.yaml has a hostKey for one." in result.output
    assert "add --overwrite" in result.output
    assert host_key_in(file) == OTHER
    assert not output(file).exists()
    assert run(file, "one", "--authorized-key", str(key), "--overwrite").exit_code == 0
    assert host_key_in(file) == written(file, "user-data")["ssh_keys"]["ed25519_public"] != OTHER


def test_each_run_makes_another_instance(tmp_path: Path, key: Path) -> None:
    file = write_stack_file(tmp_path, {})
    instances = set()
    for _ in range(2):
        assert run(file, "one", "--authorized-key", str(key), "--overwrite").exit_code == 0
        instances.add(written(file, "meta-data")["instance-id"])
        assert not (output(file) / "seed.iso").exists(), "it would contain the old host key"
        (output(file) / "seed.iso").touch()
    assert len(instances) == 2


@pytest.mark.parametrize("moment", ["network-config", "meta-data", "user-data", "Pulumi.lab.yaml"])
def test_a_run_that_fails_leaves_the_stack_file_and_no_files(
    tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    file = write_stack_file(tmp_path, {})
    before, replace = file.read_bytes(), files.replace

    def fail(target: Path, text: str, mode: int | None = None) -> None:
        if target.name == moment:
            raise OSError("disk full")
        replace(target, text, mode)

    with monkeypatch.context() as patch:
        patch.setattr(files, "replace", fail)
        result = run(file, "one", "--authorized-key", str(key))
    assert result.exit_code == 1
    assert "The files could not be written: disk full. The stack file has not changed." in result.output
    assert file.read_bytes() == before
    assert not output(file).exists()
    assert run(file, "one", "--authorized-key", str(key)).exit_code == 0


def test_after_a_killed_run_the_command_works_again(tmp_path: Path, key: Path) -> None:
    """A kill between the files and the stack file leaves a host key that nobody trusts."""
    file = write_stack_file(tmp_path, {})
    before = file.read_text()
    assert run(file, "one", "--authorized-key", str(key)).exit_code == 0
    file.write_text(before)
    (output(file) / ".user-data.x7f").write_text("unfinished")
    refused = run(file, "one", "--authorized-key", str(key), answer="n\n")
    assert refused.exit_code == 1
    assert "has files of an earlier run. Replace them?" in refused.output
    assert run(file, "one", "--authorized-key", str(key), answer="y\n").exit_code == 0
    assert host_key_in(file) == written(file, "user-data")["ssh_keys"]["ed25519_public"]
    assert {path.name for path in output(file).iterdir()} == {".gitignore", "meta-data", "network-config", "user-data"}


def test_a_folder_with_other_files_stays(tmp_path: Path, key: Path) -> None:
    file = write_stack_file(tmp_path, {})
    output(file).mkdir(parents=True)
    (output(file) / "config.txt").write_text("of a boot partition")
    result = run(file, "one", "--authorized-key", str(key), "--overwrite")
    assert result.exit_code == 1
    assert "contains other files, such as config.txt" in result.output
    assert host_key_in(file) is None


def test_the_key_of_the_stack_is_authorized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pulumi = FakePulumi(tmp_path / "pulumi", monkeypatch)
    file = write_stack_file(tmp_path, {})
    pulumi.set_secret("not a key")
    assert "The secret key (ssh.privateKey) is not an SSH private key" in run(file, "one").output
    pulumi.set_secret(USER_KEY.export_private_key().decode())
    assert run(file, "one").exit_code == 0
    assert written(file, "user-data")["users"][0]["ssh_authorized_keys"] == [PUBLIC]


def test_the_keys_of_the_agent_are_authorized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, socket = write_stack_file(tmp_path, {}), tmp_path / "agent"
    document = yaml.safe_load(file.read_text())
    document["config"]["homelab:cluster"]["ssh"] = {"user": "pi", "agent": True}
    del document["config"]["homelab:key"]
    file.write_text(yaml.safe_dump(document))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
    assert "ssh.agent: no SSH agent answers" in run(file, "one").output
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.PIPE, text=True)
    try:
        assert agent.stdout
        agent.stdout.readline()
        assert "ssh.agent: your SSH agent has no keys" in run(file, "one").output
        assert host_key_in(file) is None
        subprocess.run(["ssh-add", "-q", "-"], input=USER_KEY.export_private_key(), check=True)
        assert run(file, "one").exit_code == 0
    finally:
        agent.terminate()
        agent.communicate()
    assert written(file, "user-data")["users"][0]["ssh_authorized_keys"] == [PUBLIC]


@pytest.mark.parametrize(("text", "message"), [
    ("-----BEGIN OPENSSH PRIVATE KEY-----\n", "is a private key. Use the public key"),
    ("# nothing\n", "has no public key."),
    ("ssh-ed25519 AAAA\n", "has a line that is not a public SSH key."),
    (f'from="10.0.0.1" {OTHER}\n', "has a line that is not a public SSH key."),
    (None, "cannot be read:"),
])  # fmt: skip
def test_a_file_without_a_public_key_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    file, given = write_stack_file(tmp_path, {}), tmp_path / "given"
    if text is not None:
        given.write_text(text)
    result = run(file, "one", "--authorized-key", str(given))
    assert result.exit_code == 1
    assert f"--authorized-key {given} {message}" in result.output
    assert host_key_in(file) is None


def test_another_port_and_root(tmp_path: Path, key: Path) -> None:
    file = write_stack_file(tmp_path, {"ssh": {"port": 2222, "user": "root"}})
    assert run(file, "one", "--authorized-key", str(key)).exit_code == 0
    data = written(file, "user-data")
    assert data["write_files"] == [{"path": "/etc/ssh/sshd_config.d/10-port.conf", "content": "Port 2222\n"}]
    assert any("ssh.socket" in command for command in data["runcmd"])
    assert data["disable_root"] is False
    assert data["users"] == [{"name": "root", "lock_passwd": True, "ssh_authorized_keys": [PUBLIC]}]


def test_an_unknown_node_is_refused(tmp_path: Path) -> None:
    result = run(write_stack_file(tmp_path, {}, PINNED), "twoo")
    assert result.exit_code == 1
    assert "The stack file has no node twoo: did you mean two?\n" in result.output
