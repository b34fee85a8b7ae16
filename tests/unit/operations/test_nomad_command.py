"""`./homelab nomad`: what it writes lets its owner, and nobody else, into Nomad."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from typer.testing import CliRunner, Result

import cli
from operations.pulumi_stack import Stack
from tests.support.settings_fixtures import ROOT

SALT = "00112233445566778899aabbccddeeff"
MARK = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": f'"{SALT}"'}
LAB = (ROOT / "tests/settings/valid/three-servers.yaml").read_text().partition("encryptionsalt:")[0]
NOMAD = "  homelab:platform:\n    nomad: {servers: [b], clients: [d]%s}\n"
OWN = """, tls: {authority: {secret: ca}, serverCertificate: {secret: sc}, serverKey: {secret: sk},
      clientCertificate: {secret: cc}, clientKey: {secret: ck}}"""


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What Pulumi keeps."""
    urn = "urn:pulumi:lab::homelab::homelab:components:Platform$homelab:index:Secret::nomad-salt"
    resources = [{"type": "homelab:index:Secret", "urn": urn, "outputs": {"value": MARK}}]
    monkeypatch.setattr(Stack, "resources", lambda _: resources)
    monkeypatch.setattr(Stack, "secret", lambda _, name: f"the secret {name}")
    return resources


def run(folder: Path, text: str) -> Result:
    file = folder / "Pulumi.lab.yaml"
    file.write_text(text)
    words = ["nomad", "--stack", "lab", "--config-file", str(file), "--output", str(folder / "out")]
    return CliRunner().invoke(cli.app, words, env={"COLUMNS": "200"})


def lab(more: str = "") -> str:
    secrets = "".join(f"  homelab:{name}: {{secure: x}}\n" for name in ("ca", "sc", "sk", "cc", "ck") if more)
    return LAB + NOMAD % more + secrets


def test_a_certificate_and_the_token_are_written_for_their_owner_alone(kept: list[Any], tmp_path: Path) -> None:
    done = run(tmp_path, lab())
    assert done.exit_code == 0, done.output
    out = tmp_path / "out"
    assert done.output == f"Try: . {out}/environment && nomad server members\n"
    assert out.stat().st_mode & 0o777 == 0o700
    assert {file.name: file.stat().st_mode & 0o777 for file in out.iterdir()} == dict.fromkeys(
        ("ca.pem", "cert.pem", "key.pem", "environment"), 0o600
    )
    own, authority = (x509.load_pem_x509_certificate((out / f"{name}.pem").read_bytes()) for name in ("cert", "ca"))
    own.verify_directly_issued_by(authority)
    key = serialization.load_pem_private_key((out / "key.pem").read_bytes(), None)
    assert key.public_key() == own.public_key()
    said = dict(word.split("=", 1) for word in shlex.split((out / "environment").read_text()) if word != "export")
    assert said["NOMAD_ADDR"] == "https://10.0.0.12:4646"
    assert (said["NOMAD_CACERT"], said["NOMAD_TLS_SERVER_NAME"]) == (f"{out}/ca.pem", "server.global.nomad")
    assert len(said["NOMAD_TOKEN"]) == 36
    assert said["NOMAD_TOKEN"] not in done.output


def test_certificates_of_ones_own_are_taken(kept: list[Any], tmp_path: Path) -> None:
    done = run(tmp_path, lab(OWN))
    assert done.exit_code == 0, done.output
    told = [(tmp_path / "out" / f"{name}.pem").read_text() for name in ("ca", "cert", "key")]
    assert told == ["the secret ca", "the secret cc", "the secret ck"]


def test_what_is_not_there_is_said_and_nothing_is_written(kept: list[Any], tmp_path: Path) -> None:
    without = run(tmp_path, LAB)
    assert (without.exit_code, "Stack lab has no Nomad cluster: set homelab:platform.nomad in" in without.output) == (
        1,
        True,
    )
    kept.clear()
    early = run(tmp_path, lab())
    said = "Pulumi's state of stack lab has no secret nomad-salt: run `pulumi up` first."
    assert (early.exit_code, said in early.output) == (1, True)
    assert not (tmp_path / "out").exists()
