"""One rehearsal: the lab of a stack, the tools, and Pulumi's engine in it."""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from rehearsal import (
    acme,
    artefacts,
    charts,
    git,
    hardware,
    machine_image,
    packages,
    programs,
    registry,
    server,
    services,
    space,
    stackfile,
    tools,
    upstream,
)
from rehearsal.artefacts import Artefacts
from rehearsal.cache import Report, write_whole
from rehearsal.lab import Lab
from rehearsal.namespace import url_host
from rehearsal.places import PROJECT
from rehearsal.programs import catalog
from rehearsal.pulumi import Engine
from rehearsal.shell import RehearsalError
from rehearsal.tools import Toolchain
from stacks.homelab import charts_of
from stacks.settings import AppStack, Settings
from stacks.stackfile import short_name, stack_of


@dataclass
class Session:
    """What `open_session` made ready.

    `seconds` says where the time went, `slowest` which resources of a stack took most.
    """

    lab: Lab
    settings: Settings
    engine: Engine
    artefacts: Artefacts
    replacements: list[stackfile.Replacement]
    apps: list[Engine] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    slowest: dict[str, list[tuple[str, int]]] = field(default_factory=dict)


def open_session(
    lab: Lab, report: Report, *, bundle: Path | None = None, file: Path | None = None, apps: Sequence[Path] = ()
) -> Session:
    """Make everything ready for Pulumi: tools, artefacts, machines, stack files. Does what is still to do.

    The caller has the lab locked. `file` is the stack file, by default the project's; `apps` are those of app stacks.
    """
    refuse_unfit_computer()
    source = file or PROJECT / f"Pulumi.{lab.stack}.yaml"
    if not source.exists():
        raise RehearsalError(f"There is no {source.name} in {source.parent}: give the stack with --stack NAME.")
    settings = Settings.read(source)
    _refuse_what_cannot_be(settings, lab)
    space.refuse_short(lab, settings)
    seconds: dict[str, float] = {}
    with timed(seconds, "tools"):
        packages.ensure(report)
        toolchain = tools.ensure(report)
    with timed(seconds, "artefacts"):
        laid_out = artefacts.lay_out(lab.mirror, settings.cluster.k3s.version, report, bundle)
    with timed(seconds, "machine image"):
        image = machine_image.ensure(report)
    report(f"starting {len(settings.cluster.nodes)} machines")
    wanted = charts_of(settings)
    with ThreadPoolExecutor(max_workers=1) as beside:
        online = _online(lab)
        building = beside.submit(programs.build, () if online else wanted, report, catalog.PROGRAMS)
        with timed(seconds, "machines"):
            _start(lab, settings, laid_out, image)
        with timed(seconds, "programs of the platform"):
            built = building.result()
            git.ensure(lab, wanted, report)
    if acme.wanted(settings):
        with timed(seconds, "ACME server"):
            laid_out = replace(laid_out, rows=(*laid_out.rows, acme.serve(lab, report)))
    with timed(seconds, "charts"):
        state = lab.folder / "server"
        server.list_images(state, (*laid_out.images, *registry.offer(state, built.layouts)))
        sources = charts.Sources(bundle, online, built.charts)
        packed = charts.lay_out(lab.mirror, wanted, server.surroundings(state, lab.address), sources, report)
        laid_out = replace(laid_out, rows=(*laid_out.rows, *built.rows, *charts.rows(packed)))
    with timed(seconds, "stack file"):
        facts, replacements = _facts(lab, laid_out, charts.pins(packed)), list[stackfile.Replacement]()
        engine, *others = (_engine(each, lab, toolchain, facts, replacements) for each in (source, *apps))
    return Session(lab, settings, engine, laid_out, list(dict.fromkeys(replacements)), others, seconds)


def apps_on(stack: str) -> list[Path]:
    """The project's stack files of apps whose platform is that stack."""
    found = [file for file in sorted(PROJECT.glob("Pulumi.*.yaml")) if stackfile.is_app(file)]
    return [file for file in found if short_name(AppStack.read(file).app.platform) == stack]


def _engine(
    source: Path, lab: Lab, toolchain: Toolchain, facts: stackfile.Facts, replacements: list[stackfile.Replacement]
) -> Engine:
    """The engine of one stack, with the stack file of the rehearsal."""
    engine = Engine(lab, toolchain, stack_of(source))
    derived = stackfile.derive(source, facts)
    engine.prepare(derived)
    replacements += derived.replacements
    return engine


def refuse_unfit_computer() -> None:
    """Fail at once, with what to do, where machines cannot be simulated."""
    if os.uname().sysname != "Linux":
        raise RehearsalError(
            "The rehearsal simulates machines with systemd-nspawn: it needs Linux, or a virtual machine with it."
        )
    if os.geteuid() != 0:
        raise RehearsalError("The rehearsal makes networks and mounts: run it as root, for example with `sudo`.")


def _refuse_what_cannot_be(settings: Settings, lab: Lab) -> None:
    api = settings.cluster.api
    if api.external:
        raise RehearsalError(
            f"api.external ({api.external}) is a balancer of your own, which the rehearsal does not have: "
            "rehearse with `api: {vip: ADDRESS}`."
        )
    if api.vip and api.by == "kube-vip":
        raise RehearsalError(
            "api.by: kube-vip needs an image that is not there in a rehearsal: rehearse with `by: keepalived`."
        )
    running = sum(machine.running for machine in lab.machines.values())
    wanted = sum(hardware.MEMORY[node.role] for node in settings.cluster.nodes[running:])
    free = _available_memory()
    if wanted > free:
        raise RehearsalError(
            f"{len(settings.cluster.nodes)} machines take about {wanted >> 20} MiB, and {free >> 20} MiB of memory "
            "are free: end other programs, or rehearse a stack file with fewer nodes."
        )


def _available_memory() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    raise RehearsalError("/proc/meminfo does not say how much memory is available.")


def _start(lab: Lab, settings: Settings, laid_out: Artefacts, image: Path) -> None:
    lab.furnish(settings.cluster, image)
    manifest = server.prepare(lab.folder / "server", lab.address, laid_out.images)
    services.furnish_disks(lab, manifest, laid_out.extra)
    services.serve(lab)
    lab.start()


def _online(lab: Lab) -> bool:
    """Whether this computer reached the Internet when the lab was made: its charts and images stay what they were."""
    record = lab.folder / "online.json"
    if not record.exists():
        write_whole(record, json.dumps(upstream.reachable()))
    return bool(json.loads(record.read_text()))


def _facts(lab: Lab, laid_out: Artefacts, chart_pins: Mapping[str, str]) -> stackfile.Facts:
    host = url_host(lab.address)
    return stackfile.Facts(
        host_keys={machine.spec.address: machine.host_key for machine in lab.machines.values()},
        private_key=lab.private_key.read_text(),
        mirror=f"http://{host}:{server.HTTP_PORT}",
        pins=laid_out.pins,
        chart_pins=chart_pins,
    )


@contextmanager
def timed(seconds: dict[str, float], what: str) -> Iterator[None]:
    """Note under `what` how long the block took."""
    began = time.monotonic()
    yield
    seconds[what] = time.monotonic() - began
