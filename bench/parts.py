"""What is measured, part by part. What is compared takes turns, so that what disturbs this computer disturbs all."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path

import yaml

from bench import clock
from bench.figures import Figure
from bench.labs import STACK, Document, bare, document, opened
from rehearsal import stackfile
from rehearsal.places import PROJECT
from rehearsal.pulumi import Engine
from rehearsal.session import Session

HAND = ", by hand"
EMPTY = " of an empty program"
SMALL = "3 servers and 3 agents"
UNCHANGED = f" of {SMALL}, unchanged"
Timer = Callable[[], float]
SAMPLE = (PROJECT / "Pulumi.homelab.yaml", PROJECT / "Pulumi.shop.yaml")
OLD, NEW = "v1.35.1+k3s1", "v1.36.3+k3s1"


@contextmanager
def _lab(stack: Document, **apps: Document) -> Iterator[tuple[Session, Path]]:
    with tempfile.TemporaryDirectory(prefix="homelab-bench-") as folder, bare(stack, Path(folder), **apps) as session:
        yield session, Path(folder)


def _own(session: Session) -> float:
    return clock.pulumi(session.engine, "up")


TOOLS: Mapping[str, Callable[[Session], float]] = {HAND: clock.by_hand, "": _own}
"""What makes a cluster of bare machines and returns its seconds, by what its lines' names end with."""


def cluster(runs: int) -> list[Figure]:
    """Bare machines to a cluster, beside the script by hand."""
    taken = _grown(runs, 3)
    goals = {"": 1.3}
    return [Figure(SMALL + tool, taken[tool], "" if tool == HAND else SMALL + HAND, goals.get(tool)) for tool in TOOLS]


def agents(runs: int) -> Iterator[Figure]:
    """The same with more agents, each tool beside itself with three of them."""
    for count in (10, 25, 50):
        what = f"3 servers and {count} agents"
        taken = _grown(runs, count)
        goals = {"": 2.0} if count == 50 else {}
        yield from (Figure(what + tool, taken[tool], SMALL + tool, goals.get(tool)) for tool in TOOLS)


def _grown(runs: int, count: int) -> dict[str, tuple[float, ...]]:
    """Seconds of each tool for three servers and so many agents."""
    rounds = [{tool: _timed(take, count) for tool, take in TOOLS.items()} for _ in range(runs)]
    return {tool: tuple(each[tool] for each in rounds) for tool in TOOLS}


def _timed(take: Callable[[Session], float], count: int) -> float:
    with _lab(document(3, count)) as (session, _folder):
        return take(session)


def unchanged(runs: int) -> list[Figure]:
    """`up` and preview of six machines that are as described, beside an empty program."""
    with _lab(document(3, 3)) as (session, folder):
        clock.pulumi(session.engine, "up")
        empty = clock.Empty(session.engine, folder)
        timers: dict[str, Timer] = {}
        for verb in ("up", "preview"):
            timers[verb + EMPTY] = partial(empty.timed, verb)
            timers[verb + UNCHANGED] = partial(clock.pulumi, session.engine, verb)
        seconds = _in_turns(runs, timers)
    found = []
    for verb in ("up", "preview"):
        nothing, ours = verb + EMPTY, verb + UNCHANGED
        found += [Figure(nothing, seconds[nothing]), Figure(ours, seconds[ours], nothing, 2.0)]
    return found


def preview(runs: int) -> list[Figure]:
    """Previews of labs that are all new, whose machines are not there."""
    with _lab(document(1, 0)) as (session, folder):
        engines = {count: _engine_of(count, session) for count in (10, 100)}
        empty = clock.Empty(session.engine, folder)
        timers: dict[str, Timer] = {f"preview{EMPTY}": partial(empty.timed, "preview")}
        for count, engine in engines.items():
            timers[f"preview of {count} new machines"] = partial(clock.pulumi, engine, "preview")
        seconds = _in_turns(runs, timers)
    nothing, ten, hundred = (Figure(what, taken) for what, taken in seconds.items())
    return [nothing, replace(ten, beside=nothing.what), replace(hundred, goal=6.0)]


def _engine_of(count: int, session: Session) -> Engine:
    engine = Engine(session.lab, session.engine.tools, f"nodes-{count}")
    engine.prepare(stackfile.Derived(document(3, count - 3)))
    return engine


def _in_turns(runs: int, timers: Mapping[str, Timer]) -> dict[str, tuple[float, ...]]:
    """Seconds by name; the first round only warms up."""
    rounds = [{what: take() for what, take in timers.items()} for _ in range(runs + 1)]
    return {what: tuple(each[what] for each in rounds[1:]) for what in timers}


def platform(runs: int) -> list[Figure]:
    """The project's own sample: cluster, platform and app."""
    return [Figure("the sample: cluster, platform and app", tuple(_sample() for _ in range(runs)), SMALL)]


def _sample() -> float:
    sample, shop = (yaml.safe_load(file.read_text()) for file in SAMPLE)
    shop["config"]["homelab:app"]["platform"] = STACK
    with _lab(sample, shop=shop) as (session, _folder):
        return sum(clock.pulumi(engine, "up") for engine in (session.engine, *session.apps))


def upgrade(runs: int) -> list[Figure]:
    """K3s a minor version up on six machines, one server after the other."""
    return [Figure(f"{SMALL} upgraded", tuple(_upgrade() for _ in range(runs)), SMALL)]


def _upgrade() -> float:
    with _lab(document(3, 3, k3s={"version": OLD})) as (session, folder):
        clock.pulumi(session.engine, "up")
        newer = opened(session.lab, document(3, 3, k3s={"version": NEW}), folder)
        return clock.pulumi(newer.engine, "up")


class Part(StrEnum):
    """What `--only` takes."""

    CLUSTER = "cluster"
    UNCHANGED = "unchanged"
    PREVIEW = "preview"
    PLATFORM = "platform"
    UPGRADE = "upgrade"
    AGENTS = "agents"


MEASURE: Mapping[Part, Callable[[int], Iterable[Figure]]] = {
    Part.CLUSTER: cluster,
    Part.UNCHANGED: unchanged,
    Part.PREVIEW: preview,
    Part.PLATFORM: platform,
    Part.UPGRADE: upgrade,
    Part.AGENTS: agents,
}
