"""Text of machines on a terminal: it is shown, and does nothing."""

import ast
import io
from pathlib import Path

import pytest
from pulumi.runtime.proto import engine_pb2
from rich.table import Table
from rich.text import Text

from operations.console import Console
from provider.model import Settings
from provider.printable import printable
from provider.protocol.engine import Engine
from provider.tasks.runner import Runner
from tests.support.plugin_fixtures import Reports, run_scenario, steps, task, task_failure, write_scripts
from tests.support.settings_fixtures import ROOT
from tests.support.ssh_server import KEYS, ssh_machines

HOSTILE = [
    ("\x1b[31mred\x1b[0m", "red"),
    ("\x1b]0;title\x07text", "text"),
    ("\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
    ("\x9b2Jcleared", "cleared"),
    ("\x1b]52;c;cm0gLXJm\x07clipboard", "clipboard"),
    ("\x1bPdevice\x1b\\after", "after"),
    ("\x1bcreset", "reset"),
    ("over\rwritten", "over\ufffdwritten"),
    ("lone \x1b", "lone \ufffd"),
    ("\x00\x07\x08\x7f", "\ufffd" * 4),
    ("gnp.\u202eexe", "gnp.\ufffdexe"),
    ("zero\u200bwidth", "zero\ufffdwidth"),
    ("half \ud800", "half \ufffd"),
]


@pytest.mark.parametrize(("text", "shown"), HOSTILE)
def test_what_a_terminal_would_obey_is_taken_out(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


@pytest.mark.parametrize("text", ["Grüße, 10 °C – ok\n\tline 2", "", "日本語 ✓ → 👍", "a\r\nb"])
def test_what_people_write_stays(text: str) -> None:
    assert printable(text) == text.replace("\r\n", "\n")


def printed(*given: object, **how: object) -> str:
    file = io.StringIO()
    Console(file=file, width=80, force_terminal=False).print(*given, **how)  # type: ignore[arg-type]
    return file.getvalue()


@pytest.mark.parametrize(("text", "shown"), HOSTILE)
def test_consoles_print_nothing_else(text: str, shown: str) -> None:
    table = Table(box=None)
    table.add_column("heading", no_wrap=True)
    table.add_row(text)
    assert printed(text, soft_wrap=True) == f"{shown}\n"
    assert printed(table).split("\n")[1].strip() == shown.strip()
    assert "\x1b" not in printed(Text(text))


def test_consoles_keep_their_own_colours() -> None:
    file = io.StringIO()
    Console(file=file, force_terminal=True, color_system="standard").print("\x1b[2Jwrong", style="red")
    assert file.getvalue() == "\x1b[31mwrong\x1b[0m\n"


def test_brackets_are_no_markup() -> None:
    table = Table(box=None)
    table.add_row("[bold]x[/y]")
    assert printed("[red]a[/]", "[/oops]") == "[red]a[/] [/oops]\n"
    assert "[bold]x[/y]" in printed(table)


def test_the_engine_is_told_nothing_else() -> None:
    said: list[str] = []

    class Stub:
        async def Log(self, request: engine_pb2.LogRequest) -> None:  # noqa: N802
            said.append(request.message)

    async def scenario() -> None:
        engine = Engine("127.0.0.1:1")
        engine._stub = Stub()
        await engine.warn("urn", "\x1b[2Jdrift\nmore")
        await engine.progress("urn", "\x1b]0;x\x07step")

    run_scenario(scenario())
    assert said == ["drift\nmore", "step"]


def test_what_a_script_says_does_nothing(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, any=r"printf '==> \033[2Jstep\n\033]0;x\aworse\n' >&2; exit 3")
    told = Reports()

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            error = await task_failure(Runner(Settings(keys=KEYS)).run(task(a.machine(), *steps("any")), told))
        assert str(error).endswith("worse")
        assert "\x1b" not in str(error)

    run_scenario(scenario())
    assert any(each.endswith("step") for each in told)
    assert "\x1b" not in "".join(told)


def test_every_command_prints_by_this_console() -> None:
    for file in sorted((ROOT / "operations").rglob("*.py")):
        for each in ast.walk(ast.parse(file.read_text())):
            if isinstance(each, ast.ImportFrom) and each.module == "rich.console":
                assert file.name == "talk.py", file
