"""`./homelab init`: what is answered stands in a valid file; what is wrong is asked again; nothing is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import cli
from stacks import stackfile
from stacks.settings import LabStack
from tests.support.fake_pulumi import FakePulumi
from tests.support.machines_on_loopback import public_key, redirect_nodes, serve_machines
from tests.support.settings_fixtures import SAMPLE
from tests.support.ssh_server import USER_KEY, SshMachine

NODES = ("--node", "one=10.9.0.11 server", "--node", "two=10.9.0.12 agent")
ALL = ("--domain", "lab.test", "--user", "debian", *NODES, "--vip", "10.9.0.100", "--addresses", "10.9.0.200/29")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "Pulumi.lab.yaml"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[SshMachine]]:
    FakePulumi(tmp_path / "pulumi", monkeypatch).set_secret(USER_KEY.export_private_key().decode())
    with serve_machines(tmp_path / "homes", "one", "two") as found:
        redirect_nodes(found, monkeypatch)
        yield found


def run(file: Path, *options: str, answers: str = "") -> Result:
    words = ["init", "--stack", "lab", "--config-file", str(file), *options]
    return CliRunner().invoke(cli.app, words, input=answers, env={"COLUMNS": "120"})


def test_options_answer_everything(lab: list[SshMachine], file: Path) -> None:
    result = run(file, *ALL, "--yes")
    assert result.exit_code == 0, result.output
    assert "Next: `./homelab doctor --stack lab`." in result.output
    found = LabStack.read(file)
    assert [(node.name, node.role, node.address) for node in found.cluster.nodes] == [
        ("one", "server", "10.9.0.11"),
        ("two", "agent", "10.9.0.12"),
    ]
    assert [node.host_key for node in found.cluster.nodes] == [public_key(each) for each in lab]
    assert (found.cluster.domain, found.cluster.ssh.user, found.cluster.api.vip) == ("lab.test", "debian", "10.9.0.100")
    assert set(found.platform.enabled_layers()) == {"metallb", "certManager", "traefik"}
    assert all(each.logins == [] for each in lab), "nobody logs in where the key is not known yet"


def test_wrong_answers_are_asked_again(lab: list[SshMachine], file: Path) -> None:
    wrong_then_right = (
        ("Not A Domain", "is not a domain name"),
        ("lab.test", ""),
        ("No User", "is not a user name"),
        ("debian", ""),
        ("one", "use the form NAME=ADDRESS ROLE"),
        ("one=10.9.0.11 king", "use one of: server, agent"),
        ("One=10.9.0.11 server", "is not a DNS label"),
        ("", "is empty"),
        ("one=10.9.0.11 server", ""),
        ("two=10.9.0.11 agent", "is already used by one"),
        ("one=10.9.0.12 agent", "give every node its own name"),
        ("two=10.9.0.12 server", ""),
        ("", "has 2 servers"),
        ("-three", "no machine is named three"),
        ("-two", ""),
        ("two = 10.9.0.12  agent", ""),
        ("", ""),
        ("192.168.1.1", "is not in the lan 10.9.0.0/24"),
        ("10.9.0.11", "is the address of one"),
        ("10.9.0.100", ""),
        ("10.9.0.90-10.9.0.110", "10.9.0.100"),
        ("10.9.0.200/29", ""),
        ("y", ""),
    )
    result = run(file, answers="".join(f"{answer}\n" for answer, _ in wrong_then_right))
    assert result.exit_code == 0, result.output
    left = result.output
    for answer, said in wrong_then_right:
        assert said in left, (answer, left)
        left = left.partition(said)[2] if said else left
    assert LabStack.read(file).cluster.api.vip == "10.9.0.100"
    again = file.with_name("again") / file.name
    again.parent.mkdir()
    assert run(again, *ALL, "--yes").exit_code == 0
    assert again.read_text() == file.read_text(), "options and answers give the same file"


def test_least_that_is_asked(lab: list[SshMachine], file: Path) -> None:
    result = run(file, "--yes", answers="lab.test\n\none=10.9.0.11 server\n\n\n\n")
    assert result.exit_code == 0, result.output
    found = LabStack.read(file)
    assert (found.cluster.ssh.user, found.cluster.api.vip, dict(found.platform.enabled_layers())) == ("pi", None, {})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("--domain", "Lab"), "--domain Lab: is not a domain name"),
        (("--user", "a b"), "--user a b: is not a user name"),
        (("--node", "three=10.9.0.12 agent"), "--node three=10.9.0.12 agent: is already used by two"),
        (("--node", "three=10.9.0.13 server"), "--node 3 machines: has 2 servers"),
        (("--vip", "10.9.0.11"), "--vip 10.9.0.11: is the address of one"),
        (("--addresses", "10.9.0.100/32"), "--addresses 10.9.0.100/32: "),
        (("--lan", "10.9.0.0"), "--lan 10.9.0.0: has no prefix length"),
        (("--stack", "My_Lab"), "--stack My_Lab: is not a DNS label"),
    ],
)
def test_an_option_that_is_wrong_ends_it(file: Path, change: tuple[str, str], said: str) -> None:
    result = run(file, *ALL, "--yes", *change, answers="y\n" * 9)
    assert result.exit_code == 1
    assert said in result.output
    assert not file.exists()


def test_a_lan_that_is_wider(lab: list[SshMachine], file: Path) -> None:
    result = run(file, *ALL, "--lan", "10.9.0.0/16", "--vip", "10.9.7.1", "--yes")
    assert result.exit_code == 0, result.output
    assert LabStack.read(file).cluster.lan == "10.9.0.0/16"


@pytest.mark.parametrize("answers", ["n\n", ""])
def test_a_lab_that_is_there_is_not_replaced_without_a_yes(file: Path, answers: str) -> None:
    file.write_text(SAMPLE.read_text())
    result = run(file, *ALL, "--yes", answers=answers)
    assert result.exit_code == 1
    assert "already configures a lab. Replace its settings, and keep a copy of the file?" in result.output
    assert [each.read_text() for each in file.parent.iterdir()] == [SAMPLE.read_text()]


@pytest.mark.parametrize(("options", "answers"), [((), "y\n"), (("--overwrite",), "")])
def test_a_lab_that_is_replaced_leaves_a_copy_and_its_secrets(
    lab: list[SshMachine], file: Path, options: tuple[str, ...], answers: str
) -> None:
    secrets = "  homelab:sshKey: {secure: v1:cipher}\n  homelab:old: {secure: v1:old}\n  aws:region: here\n"
    before = "encryptionsalt: v1:salt\n" + SAMPLE.read_text() + secrets
    file.write_text(before)
    file.chmod(0o600)
    result = run(file, *ALL, "--yes", *options, answers=answers)
    assert result.exit_code == 0, result.output
    (copy,) = file.parent.glob(f"{file.name}.*")
    assert copy.read_text() == before
    assert copy.stat().st_mode & 0o077 == 0
    assert len(LabStack.read(file).cluster.nodes) == 2
    assert stackfile.read(file)[1] == {"sshKey"}, "a secret that nothing uses would be refused"
    ssh = LabStack.read(file).cluster.ssh
    assert (ssh.agent, ssh.private_key and ssh.private_key.secret) == (False, "sshKey")
    assert {"encryptionsalt: v1:salt", "  aws:region: here"} <= set(file.read_text().splitlines())


def test_a_file_that_only_has_a_salt_is_no_lab(lab: list[SshMachine], file: Path) -> None:
    file.write_text("encryptionsalt: v1:salt\n")
    result = run(file, *ALL, "--yes")
    assert result.exit_code == 0, result.output
    assert "encryptionsalt: v1:salt" in file.read_text()


def test_host_keys_are_taken_after_a_yes_only(lab: list[SshMachine], file: Path) -> None:
    result = run(file, *ALL, answers="n\n")
    assert result.exit_code == 1
    assert "hostKey" not in file.read_text()
    assert "lacks host keys: run `./homelab trust --stack lab --config-file" in result.output
    result = CliRunner().invoke(cli.app, ["trust", "--stack", "lab", "--config-file", str(file), "--yes"])
    assert result.exit_code == 0, result.output
    assert len(LabStack.read(file).cluster.nodes) == 2
