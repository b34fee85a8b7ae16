"""The bench: figures are told as they are, and its labs are valid."""

import json
from pathlib import Path

import pytest

from bench import labs
from bench.figures import Figure, merge, read, table, write
from bench.suites import MEASUREMENTS, Part
from stacks.settings import LabStack

BENCH = Path(labs.__file__).parent

EMPTY = Figure("empty", (1.0, 3.0, 2.0))
TWICE = Figure("ten", (4.0, 3.0, 5.0), "empty", 2.0)
SLOW = Figure("hundred", (9.0,), "", 6.0)
ALONE = Figure("alone", (1.0,), "nothing", 2.0)


def test_median_spread_and_ratio() -> None:
    assert (EMPTY.median, EMPTY.spread, EMPTY.ratio([EMPTY])) == (2, 2, None)
    assert (TWICE.ratio([EMPTY, TWICE]), TWICE.goal_met([EMPTY, TWICE])) == (2, True)
    assert (SLOW.goal_met([SLOW]), ALONE.ratio([ALONE]), ALONE.goal_met([ALONE])) == (False, None, None)


def test_the_table_says_what_is_missed() -> None:
    assert table([EMPTY, TWICE, SLOW]).splitlines()[2:] == [
        "| empty | 2.0 s | 2.0 s | 3 |  |  |",
        "| ten | 4.0 s | 2.0 s | 3 | 2.00 × empty | 2 ×, met |",
        "| hundred | 9.0 s | 0.0 s | 1 |  | 6 s, missed |",
    ]


def test_a_file_keeps_every_run_and_the_machine(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    write(file, [EMPTY, TWICE], {"processors": 2})
    assert json.loads(file.read_text())["machine"] == {"processors": 2}
    assert read(file) == [EMPTY, TWICE]
    assert read(tmp_path / "none.json") == []


def test_what_was_measured_anew_takes_its_old_place() -> None:
    anew = Figure("empty", (2.0,))
    assert merge([EMPTY, TWICE], [anew, SLOW]) == [anew, TWICE, SLOW]


@pytest.mark.parametrize("agents", [3, 97])
def test_labs_are_valid(agents: int) -> None:
    config = {key.partition(":")[2]: value for key, value in labs.benchmark_document(3, agents)["config"].items()}
    cluster = LabStack.parse(config, [], "bench").cluster
    assert (len(cluster.servers), len(cluster.agents)) == (3, agents)


def test_every_part_can_be_measured() -> None:
    assert list(MEASUREMENTS) == list(Part)


def test_the_table_in_the_docs_is_that_of_the_figures() -> None:
    assert table(read(BENCH / "figures.json")) in (BENCH / "README.md").read_text()
