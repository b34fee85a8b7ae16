"""`./homelab kubeconfig`: a cluster's entries into a file of others'."""

import re
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

import cli
from operations.kubeconfig_merge import MergeError, MergeResult, entries_of, merge
from tests.support.certificates import certificate
from tests.support.fake_pulumi import FakePulumi

OURS = f"""\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: Y2E=
    server: https://10.9.0.100:6443
  name: lab
contexts:
- context:
    cluster: lab
    user: lab
  name: lab
current-context: lab
kind: Config
users:
- name: lab
  user:
    client-certificate-data: {certificate(365)}
    client-key-data: a2V5
"""
# as kubectl writes it, with things that a careless rewrite would change
THEIRS = """\
# mine
apiVersion: v1
clusters:
- cluster:
    insecure-skip-tls-verify: true
    server: "https://work.example.com"   # the office
  name: work
contexts:
- context:
    cluster: work
    namespace: '007'
    user: me
  name: work
current-context: work
kind: Config
preferences: {}
users:
- name: me
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      args: [token, "1e3", 2026-01-01T00:00:00Z]
      command: get-token
      env: null
"""
OWN = entries_of(OURS, "lab")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without a kubeconfig, and a stack that has one."""
    FakePulumi(tmp_path / "pulumi", monkeypatch).set_outputs(kubeconfig=OURS, name="lab")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return tmp_path


def run(*options: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(cli.app, ["kubeconfig", "--stack", "lab", *options], input=answer)


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def other(**changed: str) -> str:
    """A file that has our names for something else."""
    content = yaml.safe_load(OURS)
    content["clusters"][0]["cluster"] |= changed
    return yaml.safe_dump(content)


def test_without_a_file_one_is_made_that_only_its_owner_reads(home: Path) -> None:
    result = run()
    assert result.exit_code == 0, result.output
    file = home / ".kube/config"
    made, ours = yaml.safe_load(file.read_text()), yaml.safe_load(OURS)
    assert {key: made[key] for key in ours} == ours
    assert (mode(file), mode(file.parent)) == (0o600, 0o700)
    assert "Try: kubectl get nodes" in result.output


def test_other_entries_stay_byte_for_byte(home: Path) -> None:
    file = home / "mine"
    file.write_text(THEIRS)
    file.chmod(0o644)
    result = run("--output", str(file))
    assert result.exit_code == 0, result.output
    ours = [line for line in OURS.splitlines() if line.startswith((" ", "-"))]
    lines = file.read_text().splitlines()
    assert len(lines) == len(THEIRS.splitlines()) + len(ours)
    for line in ours:
        lines.reverse()
        lines.remove(line)
        lines.reverse()
    assert lines == THEIRS.splitlines()
    content = yaml.safe_load(file.read_text())
    assert [each["name"] for each in content["clusters"]] == ["work", "lab"]
    assert content["current-context"] == "work"
    assert "kubectl --context lab get nodes" in result.output
    assert mode(file) == 0o600
    assert [each.name for each in home.iterdir() if each.name.startswith("mine")] == ["mine"]


def test_a_comment_above_the_next_section_stays_there() -> None:
    merged = merge(THEIRS.replace("contexts:\n", "# my contexts\ncontexts:\n"), OWN, "lab")
    assert "  name: lab\n# my contexts\ncontexts:\n" in merged.text


def test_a_second_run_changes_nothing(home: Path) -> None:
    file = home / "mine"
    file.write_text(THEIRS)
    run("--output", str(file))
    before = file.stat()
    result = run("--output", str(file))
    assert "already has the entries of the cluster" in result.output
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_first_file_of_the_environment_is_taken(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", f":{home / 'first'}:{home / 'second'}")
    assert run().exit_code == 0
    assert (home / "first").exists()
    assert not (home / "second").exists()


@pytest.mark.parametrize(("answer", "options"), [("y\n", ()), (None, ("--yes",))])
def test_other_content_under_our_name_is_replaced_after_a_yes_and_kept_in_a_copy(
    home: Path, answer: str | None, options: tuple[str, ...]
) -> None:
    file, before = home / "mine", other(server="https://elsewhere:6443")
    file.write_text(before)
    result = run("--output", str(file), *options, answer=answer)
    assert result.exit_code == 0, result.output
    assert (
        "The existing cluster entry belongs to another cluster: its API is https://elsewhere:6443, "
        "not https://10.9.0.100:6443." in result.output
    )
    (copy,) = home.glob("mine.*")
    assert (copy.read_text(), mode(copy)) == (before, 0o600)
    assert yaml.safe_load(file.read_text()) == yaml.safe_load(OURS)


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_without_a_yes_other_content_stays(home: Path, answer: str) -> None:
    file, before = home / "mine", other(server="https://elsewhere:6443")
    file.write_text(before)
    assert run("--output", str(file), answer=answer).exit_code == 1
    assert file.read_text() == before
    assert list(home.glob("mine.*")) == []


def test_a_link_stays_a_link(home: Path) -> None:
    (home / "real").write_text(THEIRS)
    (home / "mine").symlink_to(home / "real")
    assert run("--output", str(home / "mine")).exit_code == 0
    assert (home / "mine").is_symlink()
    assert "lab" in (home / "real").read_text()


def test_kubectl_is_not_disturbed_while_it_writes(home: Path) -> None:
    file = home / "mine"
    file.write_text(THEIRS)
    (home / "mine.lock").touch()
    result = run("--output", str(file))
    assert result.exit_code == 1
    assert f"if kubectl does not run, remove the lock file {file}.lock" in result.output.replace("\n", "")
    assert file.read_text() == THEIRS


def with_certificate(home: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    content = yaml.safe_load(OURS)
    content["users"][0]["user"]["client-certificate-data"] = text
    FakePulumi(home / "second", monkeypatch).set_outputs(kubeconfig=yaml.safe_dump(content), name="lab")


def test_it_says_until_when_it_is_good(home: Path) -> None:
    assert re.search(r"The certificate is valid until 20\d\d-\d\d-\d\d \d\d:\d\d UTC\.\n", run().output)


def test_it_says_what_renews_one_that_ends_soon(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_certificate(home, monkeypatch, certificate(365, left=40.5))
    result = run()
    assert result.exit_code == 0
    assert "in 40 days: run `pulumi up`, then `./homelab kubeconfig` again." in result.output


def test_one_that_has_ended_is_not_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_certificate(home, monkeypatch, certificate(365, left=-1))
    result = run()
    assert result.exit_code == 1
    assert "The certificate of the kubeconfig expired on 20" in result.output
    assert "run `pulumi up` to renew the certificate." in result.output
    assert not (home / ".kube").exists()


def test_before_the_first_up_it_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FakePulumi(home / "second", monkeypatch).set_outputs()
    result = run()
    assert result.exit_code == 1
    assert "Stack lab has no kubeconfig yet: run `pulumi up` first." in result.output
    assert not (home / ".kube").exists()


def test_what_pulumi_says_is_passed_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FakePulumi(home / "second", monkeypatch)
    assert "no stack named 'lab' found" in run().output


def test_an_entry_is_replaced_in_its_place() -> None:
    text = merge(THEIRS, OWN, "lab").text.replace("Y2E=", "b2xk").replace("- context:", "# next\n- context:")
    merged = merge(text, OWN, "lab")
    assert merged.text == text.replace("b2xk", "Y2E=")
    assert merged.replaced == ("cluster lab",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("clusters: [", "the kubeconfig is not YAML"),
        ("kind: Pod", "the file is not a kubeconfig"),
        ("just text", "the file is not a kubeconfig"),
        ("clusters: {a: b}", "the clusters are not a list of named entries"),
        (
            THEIRS.replace("users:\n", "users:\n- name: lab\n- name: lab\n"),
            "the kubeconfig has 2 users with the name lab",
        ),
    ],
)
def test_what_is_no_kubeconfig_is_left_alone(text: str, said: str) -> None:
    with pytest.raises(MergeError, match=said):
        merge(text, OWN, "lab")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "apiVersion: v1\nkind: Config\n",
        "{apiVersion: v1, kind: Config, clusters: [], users: null}",
        '{"kind": "Config", "clusters": [{"name": "a", "cluster": {"server": "https://a"}}], "contexts": []}',
        THEIRS.replace("\n  ", "\n    ").replace("\n- ", "\n  - "),
        THEIRS.rstrip("\n"),
    ],
)
def test_every_form_of_a_kubeconfig_is_taken(text: str) -> None:
    merged: MergeResult = merge(text, OWN, "lab")
    before: dict[str, Any] = yaml.safe_load(text) or {}
    after = yaml.safe_load(merged.text)
    for section, kind in (("clusters", "cluster"), ("users", "user"), ("contexts", "context")):
        assert after[section] == [*(before.get(section) or []), {"name": "lab", kind: OWN[section]}]
    assert merged.replaced == ()
