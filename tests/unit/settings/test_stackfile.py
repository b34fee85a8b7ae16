"""Stack files that are not text, or that exceed the limits of size, nesting or time."""

import gc
import time
from contextlib import suppress
from pathlib import Path

import pytest
from pydantic_core import PydanticCustomError

from components.settings.fields import TextType
from stacks.settings import LabStack, SettingsError
from tests.support.settings_fixtures import ROOT

VALID = (ROOT / "tests/settings/valid/three-servers.yaml").read_text()
NODE = "      - {{name: n{0}, role: agent, address: 10.0.0.1, hostKey: ssh-ed25519 AAAA}}\n"
ACME = "  homelab:platform: {{certManager: {{acme: {{http01: true, email: '{0}'}}}}}}\n"
WITH_LONG_MAIL = VALID.replace("encryptionsalt", ACME.format("a@." * 13000) + "encryptionsalt")


def report(tmp_path: Path, content: bytes | str) -> str:
    """Return the errors of a stack file, which must come within seconds."""
    file = tmp_path / "Pulumi.lab.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    begin = time.monotonic()
    with pytest.raises(SettingsError) as caught:
        LabStack.read(file)
    assert time.monotonic() - begin < 60
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (VALID.encode("utf-16"), "Pulumi.lab.yaml: is UTF-16 text; save the file as UTF-8"),
        (VALID.replace("api:", "# é\n    api:").encode("latin-1"), "Pulumi.lab.yaml:5: is not UTF-8 text; "),
        ("config: " + "[" * 5000, "Pulumi.lab.yaml:1: is nested more than 64 levels deep; remove lists or mappings"),
        ("config: " + "{a: " * 5000, "Pulumi.lab.yaml:1: is nested more than 64 levels deep; remove lists or mappings"),
        (f"config: {'9' * 5000}", "Pulumi.lab.yaml:1: is a number of more than 18 digits, which Pulumi rounds; "),
        (f"%YAML 1.{'9' * 5000}\n---\n{VALID}", "Pulumi.lab.yaml: contains an invalid number; put the value in quotes"),
        (WITH_LONG_MAIL, "email: is longer than 254 characters; shorten it"),
        (VALID.replace("lab.example.com", "a" * 40000), "homelab:cluster.domain: is longer than 2000 characters; "),
        (VALID.replace("    nodes:\n", "    nodes:\n" + "".join(map(NODE.format, range(100_000)))), " is larger than "),
        ("config: [" + "1," * 250_000 + "1]", "Pulumi.lab.yaml:1: makes the file larger than 50000 keys and values"),
    ],
    ids=["utf-16", "latin-1", "lists", "mappings", "number", "version", "mail", "domain", "nodes", "values"],
)
def test_file_beyond_the_limits_gives_an_error(tmp_path: Path, content: bytes | str, expected: str) -> None:
    assert expected in report(tmp_path, content)


@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        (lambda file: None, "does not exist; give the path of a Pulumi.<stack>.yaml"),
        (lambda file: file.mkdir(), "is a folder; give the path of a Pulumi.<stack>.yaml"),
    ],
    ids=["missing", "folder"],
)
def test_file_that_cannot_be_read_gives_the_cause(tmp_path: Path, prepare: object, expected: str) -> None:
    file = tmp_path / "Pulumi.lab.yaml"
    assert callable(prepare)
    prepare(file)
    with pytest.raises(SettingsError) as caught:
        LabStack.read(file)
    assert str(caught.value) == f"{file}: {expected}"


def test_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.lab.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + VALID.encode())
    assert LabStack.read(file).cluster.nodes


def test_more_nodes_than_kubernetes_supports_are_refused_before_any_is_read() -> None:
    node = {"name": "a", "role": "server", "address": "10.0.0.1", "hostKey": "ssh-ed25519 AAAA"}
    begin = time.monotonic()
    with pytest.raises(SettingsError, match=r"homelab:cluster\.nodes: has 100000 entries; use at most 5000 nodes"):
        LabStack.parse({"cluster": {"domain": "x.y", "nodes": [node] * 100_000}}, set(), "lab")
    assert time.monotonic() - begin < 60


def test_values_from_pulumis_engine_have_the_same_limits() -> None:
    nested: object = 1
    for _ in range(100):
        nested = [nested]
    with pytest.raises(
        SettingsError, match="homelab:cluster: is nested more than 64 levels deep; remove lists or mappings"
    ):
        LabStack.parse({"cluster": {"nodes": nested}}, set(), "lab")


def test_long_texts_are_checked_quickly() -> None:
    """Regular expressions with nested repetitions would need hours for the texts of this test."""
    kinds = {id(each): each for each in gc.get_objects() if isinstance(each, TextType)}.values()
    assert len(kinds) > 60
    begin = time.process_time()
    for kind in kinds:
        length = min(kind.max_length, 2000) - 1
        for repeated in ("a", "a-", "a.", "/a", "a__", "0.", "*/1,", "a@.", "(a+)", "a="):
            with suppress(PydanticCustomError):
                kind((repeated * length)[:length] + "!")
    assert time.process_time() - begin < 60
