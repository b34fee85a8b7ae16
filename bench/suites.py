"""Parts of the benchmark.

Each round measures homelab and the baseline one after the other. Background load slows both, so it hardly changes their
ratio.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path

import yaml

from bench.figures import Figure
from bench.labs import STACK, Document, benchmark_document, new_lab, open_lab
from bench.timers import EmptyProgram, time_baseline, time_pulumi
from rehearsal import derived_stackfile
from rehearsal.paths import PROJECT
from rehearsal.pulumi import Engine
from rehearsal.session import Session

BY_HAND = ", by hand"
EMPTY = " of an empty program"
SMALL = "3 servers and 3 agents"
UNCHANGED = f" of {SMALL}, unchanged"
Timer = Callable[[], float]
SAMPLE = (PROJECT / "Pulumi.homelab.yaml", PROJECT / "Pulumi.shop.yaml")
OLD, NEW = "v1.35.1+k3s1", "v1.36.3+k3s1"


@contextmanager
def _lab(stack: Document, **apps: Document) -> Iterator[tuple[Session, Path]]:
    with (
        tempfile.TemporaryDirectory(prefix="homelab-bench-") as folder,
        new_lab(stack, Path(folder), **apps) as session,
    ):
        yield session, Path(folder)


def _own(session: Session) -> float:
    return time_pulumi(session.engine, "up")


BUILDERS: Mapping[str, Callable[[Session], float]] = {BY_HAND: time_baseline, "": _own}
"""Functions that build a cluster on bare machines and return the duration in seconds, by suffix of the row name."""


def cluster(runs: int) -> list[Figure]:
    """Measure how long homelab takes to build a small cluster, compared with the shell script `baseline.sh`."""
    seconds = _grown(runs, 3)
    goals = {"": 1.3}
    return [
        Figure(SMALL + tool, seconds[tool], "" if tool == BY_HAND else SMALL + BY_HAND, goals.get(tool))
        for tool in BUILDERS
    ]


def agents(runs: int) -> Iterator[Figure]:
    """Measure how long homelab takes to build clusters with 10, 25 and 50 agents; the baseline cluster has 3 agents."""
    for count in (10, 25, 50):
        name = f"3 servers and {count} agents"
        seconds = _grown(runs, count)
        goals = {"": 2.0} if count == 50 else {}
        yield from (Figure(name + tool, seconds[tool], SMALL + tool, goals.get(tool)) for tool in BUILDERS)


def _grown(runs: int, count: int) -> dict[str, tuple[float, ...]]:
    """In each run, build a cluster with three servers and `count` agents, once with homelab and once with
    `baseline.sh`; return the seconds by tool."""
    rounds = [{tool: _timed(build, count) for tool, build in BUILDERS.items()} for _ in range(runs)]
    return {tool: tuple(measured[tool] for measured in rounds) for tool in BUILDERS}


def _timed(build: Callable[[Session], float], count: int) -> float:
    with _lab(benchmark_document(3, count)) as (session, _folder):
        return build(session)


def unchanged(runs: int) -> list[Figure]:
    """Measure `pulumi up` and `pulumi preview` of an unchanged small cluster; the baseline is an empty program."""
    with _lab(benchmark_document(3, 3)) as (session, folder):
        time_pulumi(session.engine, "up")
        empty = EmptyProgram(session.engine, folder)
        timers: dict[str, Timer] = {}
        for verb in ("up", "preview"):
            timers[verb + EMPTY] = partial(empty.time, verb)
            timers[verb + UNCHANGED] = partial(time_pulumi, session.engine, verb)
        seconds = _in_turns(runs, timers)
    figures = []
    for verb in ("up", "preview"):
        of_empty, of_unchanged = verb + EMPTY, verb + UNCHANGED
        figures += [Figure(of_empty, seconds[of_empty]), Figure(of_unchanged, seconds[of_unchanged], of_empty, 2.0)]
    return figures


def preview(runs: int) -> list[Figure]:
    """Measure how long `pulumi preview` takes for a new lab with 10 machines and for a new lab with 100 machines."""
    with _lab(benchmark_document(1, 0)) as (session, folder):
        engines = {count: _engine_of(count, session) for count in (10, 100)}
        empty = EmptyProgram(session.engine, folder)
        timers: dict[str, Timer] = {f"preview{EMPTY}": partial(empty.time, "preview")}
        for count, engine in engines.items():
            timers[f"preview of {count} new machines"] = partial(time_pulumi, engine, "preview")
        seconds = _in_turns(runs, timers)
    empty_figure, ten, hundred = (Figure(name, measured) for name, measured in seconds.items())
    return [empty_figure, replace(ten, baseline=empty_figure.name), replace(hundred, goal=6.0)]


def _engine_of(count: int, session: Session) -> Engine:
    engine = Engine(session.lab, session.engine.tools, f"nodes-{count}")
    engine.prepare(derived_stackfile.DerivedStackFile(benchmark_document(3, count - 3)))
    return engine


def _in_turns(runs: int, timers: Mapping[str, Timer]) -> dict[str, tuple[float, ...]]:
    """Run every timer of a benchmark once per round; return the measured seconds by timer name.

    The function discards the first round, which is a warm-up.
    """
    rounds = [{name: timer() for name, timer in timers.items()} for _ in range(runs + 1)]
    return {name: tuple(measured[name] for measured in rounds[1:]) for name in timers}


def platform(runs: int) -> list[Figure]:
    """Measure how long homelab takes to build the cluster, the platform and the app of the sample stack files."""
    return [Figure("the sample: cluster, platform and app", tuple(_sample() for _ in range(runs)), SMALL)]


def _sample() -> float:
    sample, shop = (yaml.safe_load(file.read_text()) for file in SAMPLE)
    shop["config"]["homelab:app"]["platform"] = STACK
    with _lab(sample, shop=shop) as (session, _folder):
        return sum(time_pulumi(engine, "up") for engine in (session.engine, *session.apps))


def upgrade(runs: int) -> list[Figure]:
    """Measure how long a rolling upgrade of a small cluster to the next minor version of K3s takes."""
    return [Figure(f"{SMALL} upgraded", tuple(_upgrade() for _ in range(runs)), SMALL)]


def _upgrade() -> float:
    with _lab(benchmark_document(3, 3, k3s={"version": OLD})) as (session, folder):
        time_pulumi(session.engine, "up")
        newer = open_lab(session.lab, benchmark_document(3, 3, k3s={"version": NEW}), folder)
        return time_pulumi(newer.engine, "up")


class Part(StrEnum):
    """Values of `--only`."""

    CLUSTER = "cluster"
    UNCHANGED = "unchanged"
    PREVIEW = "preview"
    PLATFORM = "platform"
    UPGRADE = "upgrade"
    AGENTS = "agents"


MEASUREMENTS: Mapping[Part, Callable[[int], Iterable[Figure]]] = {
    Part.CLUSTER: cluster,
    Part.UNCHANGED: unchanged,
    Part.PREVIEW: preview,
    Part.PLATFORM: platform,
    Part.UPGRADE: upgrade,
    Part.AGENTS: agents,
}
