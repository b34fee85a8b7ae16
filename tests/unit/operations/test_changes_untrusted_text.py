"""`./homelab changes` with text that wants out of its place: what machines, charts and errors say is shown as it is."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import cli
from operations.markdown import code_block, inline_code
from tests.unit.operations.test_changes import step, task, told

HOSTILE = [
    "`code` and ``more`` ```",
    "```\n# heading\n```",
    "<script>alert(1)</script> <!-- hidden",
    "@everyone see #1, GH-1, a/b#2 and d3b07384d113edec49eaa6238ad5ff00deadbeef",
    "[a link](https://evil.example) ![](https://evil.example/x.png) https://evil.example",
    "| a | cell | \\| more",
    "\x1b[31mred\x1b[0m \x1b]8;;https://evil.example\x07link\x1b]8;;\x07",
    "line\nbreak\r\n\r\n### heading\n- [ ] item\n\n    indented",
    "\u202eright to left\u2066 zero\u200bwidth \ud800",
    "`",
    "``",
    " ",
    "",
    "\\",
    "$$x$$ :smile: &lt;",
]


def outside(said: str) -> str:
    """What of a comment is not in a code span or block, and so is read as Markdown."""
    rest = re.sub(r"(?ms)^(`{3,})\n.*?\n\1$", "", said)
    return re.sub(r"(?<!`)(`+)(?!`)[^\n]*?(?<!`)\1(?!`)", "", rest)


@pytest.mark.parametrize("text", HOSTILE)
def test_code_is_one_span_on_one_line(text: str) -> None:
    said = inline_code(text)
    assert "\n" not in said
    assert outside(said) == ""
    assert "\x1b" not in said


@pytest.mark.parametrize("text", HOSTILE)
def test_a_block_ends_where_it_should(text: str) -> None:
    first, *inner, last = code_block(text).split("\n")
    assert first == last
    assert re.fullmatch("`{3,}", first)
    assert not any(line.strip().startswith(first) for line in inner)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_others_wrote_is_read_as_markdown(text: str) -> None:
    given = {"machine": {"name": text}, "drift": text or "x", "variables": {text: "a", "VERSION": text}}
    old = {"machine": {"name": text}, "variables": {text: "b", "VERSION": "v1"}}
    changed = task("update", "pi-2", "roll", old=old, new=given, diffReasons=["variables", text])
    strange = step("create", f"layer {text}", "kubernetes:apps/v1:Deployment", f"x-{text}")
    plain = outside(told(task("update", "pi-2", "roll", old={"variables": {}}, new={"drift": "d"})))
    assert outside(told(changed)) == plain
    rest = outside(told(strange))
    assert rest.split() == outside(told(step("create", "layer x", "kubernetes:apps/v1:Deployment", "x-y"))).split()
    refused = {"severity": "error", "message": text or "error"}
    assert outside(told(diagnostics=[refused])) == outside(told(diagnostics=[refused | {"message": "plain"}]))


def test_a_cell_stays_in_its_cell() -> None:
    strange = step("create", "layer a|b", "kubernetes:apps/v1:Deployment", "x|y")
    (row,) = (line for line in told(strange).splitlines() if "layer" in line)
    assert len(re.findall(r"(?<!\\)\|", row)) == 4


@pytest.mark.parametrize("length", [1_000, 100_000, 1_000_000])
def test_however_long_it_is_a_comment_fits_and_says_so(length: int) -> None:
    long = "x" * length
    drifted = [task("update", f"m-{n}", "roll", new={"machine": {"name": long}, "drift": long}) for n in range(300)]
    keys = [task("update", f"n-{n}", "roll", old={long: 1}, new={"a": 2}, diffReasons=[long]) for n in range(300)]
    refused = [{"severity": "error", "message": f"{n} {long}\n{long}"} for n in range(300)]
    for said in (told(*drifted, *keys), told(*drifted, diagnostics=refused)):
        assert len(said) < 65_000
        assert "… truncated: see the log." in said
        assert "`" not in outside(said), "spans and blocks are whole"


def test_the_command_prints_any_text(tmp_path: Path) -> None:
    file = tmp_path / "preview.json"
    file.write_text(json.dumps({"steps": [task("update", "a", "roll", new={"drift": "half \ud800"})]}))
    result = CliRunner().invoke(cli.app, ["changes", str(file), "--title", "Here"], env={"HOMELAB_DRIFT": "on"})
    assert result.exit_code == 0, result.output
    assert "- `a-roll`: `half \ufffd`" in result.output
