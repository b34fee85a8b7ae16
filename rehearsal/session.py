"""Prepares a rehearsed lab, the tools and Pulumi's engines, so that Pulumi commands can run on the lab."""

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
    app_stack_images,
    artefacts,
    certificates,
    charts,
    derived_stackfile,
    disk_space,
    git,
    host_packages,
    host_services,
    machine_image,
    machine_specs,
    programs,
    registry,
    server,
    tools,
    upstream,
)
from rehearsal.artefacts import Artefacts
from rehearsal.cache import Report, write_atomically
from rehearsal.lab import Lab
from rehearsal.network_namespace import url_host
from rehearsal.paths import ONLINE_FILE, PROJECT
from rehearsal.programs import BuiltPrograms, catalog
from rehearsal.pulumi import Engine
from rehearsal.shell import RehearsalError
from rehearsal.tools import Toolchain
from stacks.homelab import charts_of
from stacks.settings import AppStack, LabStack
from stacks.stackfile import short_name, stack_name


@dataclass
class Session:
    """The result of `open_session`.

    `seconds` maps the name of each step to its duration. `slowest` maps each stack to the stack's slowest resources.
    """

    lab: Lab
    settings: LabStack
    engine: Engine
    artefacts: Artefacts
    replacements: list[derived_stackfile.Replacement]
    apps: list[Engine] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    slowest: dict[str, list[tuple[str, int]]] = field(default_factory=dict)


def open_session(
    lab: Lab, report: Report, *, bundle: Path | None = None, file: Path | None = None, apps: Sequence[Path] = ()
) -> Session:
    """Prepare the tools, K3s' files, the machines and the stack files; reuse the results of earlier sessions.

    The caller must hold the lock of the rehearsed lab. The session uses `file` instead of the project's stack file;
    `apps` contains the stack files of apps.
    """
    require_suitable_computer()
    source = file or PROJECT / f"Pulumi.{lab.stack}.yaml"
    settings = _simulatable_settings(source, lab)
    seconds: dict[str, float] = {}
    with timed(seconds, "tools"):
        host_packages.ensure(report)
        toolchain = tools.ensure(report)
    with timed(seconds, "artefacts"):
        laid_out = artefacts.lay_out(lab.mirror, settings.cluster.k3s.version, report, bundle)
    with timed(seconds, "machine image"):
        image = machine_image.ensure(report)
    report(f"starting {len(settings.cluster.nodes)} machines")
    platform_charts = charts_of(settings)
    with ThreadPoolExecutor(max_workers=1) as executor:
        online = _online(lab)
        building = executor.submit(_build_programs, settings, apps, online, report)
        with timed(seconds, "machines"):
            _start(lab, settings, laid_out, image)
        with timed(seconds, "programs of the platform"):
            built = building.result()
            git.ensure(lab, platform_charts, report)
    rows = [*laid_out.rows]
    if acme.is_needed(settings):
        with timed(seconds, "ACME server"):
            rows += acme.serve(lab, settings, report)
    with timed(seconds, "charts"):
        state = lab.folder / "server"
        server.write_image_list(state, (*laid_out.images, *registry.offer(state, built.layouts)))
        sources = charts.Sources(bundle, online, built.charts)
        packed = charts.lay_out(lab.mirror, platform_charts, server.lab_endpoints(state, lab.address), sources, report)
        rows += [*built.rows, *charts.rows(packed)]
    with timed(seconds, "stack file"):
        lab_settings = _lab_settings(lab, laid_out, charts.pins(packed))
        replacements: list[derived_stackfile.Replacement] = []
        engine, *others = (_engine(path, lab, toolchain, lab_settings, replacements) for path in (source, *apps))
    laid_out = replace(laid_out, rows=tuple(rows))
    return Session(lab, settings, engine, laid_out, list(dict.fromkeys(replacements)), others, seconds)


def apps_on(stack: str) -> list[Path]:
    """Return the stack files of the project's apps whose `platform` is `stack`."""
    app_files = [file for file in sorted(PROJECT.glob("Pulumi.*.yaml")) if derived_stackfile.is_app(file)]
    return [file for file in app_files if short_name(AppStack.read(file).section.platform) == stack]


def _simulatable_settings(source: Path, lab: Lab) -> LabStack:
    """Read the settings of a lab, and fail if the rehearsal cannot simulate the lab on this computer."""
    if not source.exists():
        raise RehearsalError(
            f"The folder {source.parent} has no stack file {source.name}: choose another stack with --stack NAME."
        )
    settings = LabStack.read(source)
    _require_simulatable(settings, lab)
    disk_space.require_space(lab, settings)
    return settings


def _build_programs(settings: LabStack, apps: Sequence[Path], online: bool, report: Report) -> BuiltPrograms:
    """Build the programs that the platform and the apps run. With Internet access, build no programs, because the
    images come from image registries."""
    if online:
        return BuiltPrograms()
    app_images = app_stack_images.image_names(apps)
    return programs.build(charts_of(settings), report, catalog.programs_for(settings), app_images)


def _engine(
    source: Path,
    lab: Lab,
    toolchain: Toolchain,
    lab_settings: derived_stackfile.LabSettings,
    replacements: list[derived_stackfile.Replacement],
) -> Engine:
    """Create the Pulumi engine of one stack, and derive the rehearsal's stack file from `source`."""
    engine = Engine(lab, toolchain, stack_name(source))
    derived = derived_stackfile.derive(source, lab_settings)
    engine.prepare(derived)
    replacements += derived.replacements
    return engine


def require_suitable_computer() -> None:
    """Fail unless the host runs Linux and homelab runs as root, which simulated machines require."""
    if os.uname().sysname != "Linux":
        raise RehearsalError(
            "The rehearsal simulates machines with systemd-nspawn: start the rehearsal on Linux or in a Linux VM."
        )
    if os.geteuid() != 0:
        raise RehearsalError("The rehearsal creates networks and mounts: run it as root, for example with `sudo`.")


def _require_simulatable(settings: LabStack, lab: Lab) -> None:
    api = settings.cluster.api
    if api.external:
        raise RehearsalError(
            f"api.external ({api.external}) is your own load balancer, which the rehearsal cannot simulate: "
            "use `api: {vip: ADDRESS}` for the rehearsal."
        )
    if api.vip and api.by == "kube-vip":
        raise RehearsalError(
            "api.by: kube-vip needs kube-vip's image, which is not available in a rehearsal: "
            "set `by: keepalived` for the rehearsal."
        )
    running = sum(machine.running for machine in lab.machines.values())
    needed = sum(machine_specs.MEMORY_BYTES[node.role] for node in settings.cluster.nodes[running:])
    available = _available_memory()
    if needed > available:
        raise RehearsalError(
            f"{len(settings.cluster.nodes)} machines need about {needed >> 20} MiB of memory, "
            f"but only {available >> 20} MiB are available: end other programs, or rehearse fewer nodes."
        )


def _available_memory() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    raise RehearsalError("/proc/meminfo has no line MemAvailable: use a Linux kernel 3.14 or newer.")


def _start(lab: Lab, settings: LabStack, laid_out: Artefacts, image: Path) -> None:
    lab.provision(settings.cluster, image)
    manifest = server.prepare(lab.folder / "server", lab.address, laid_out.images)
    host_services.provision_disks(lab, manifest, laid_out.extra)
    host_services.start_server(lab)
    lab.start()


def _online(lab: Lab) -> bool:
    """Return whether the Internet was reachable when the lab was created; a file in the lab's folder records this."""
    record = lab.folder / ONLINE_FILE
    if not record.exists():
        write_atomically(record, json.dumps(upstream.reachable()))
    return bool(json.loads(record.read_text()))


def _lab_settings(lab: Lab, laid_out: Artefacts, chart_pins: Mapping[str, str]) -> derived_stackfile.LabSettings:
    host = url_host(lab.address)
    return derived_stackfile.LabSettings(
        host_keys={machine.spec.address: machine.host_key for machine in lab.machines.values()},
        private_key=lab.private_key.read_text(),
        issuing_ca=certificates.ensure_issuing_ca(lab.folder),
        mirror=f"http://{host}:{server.HTTP_PORT}",
        pins=laid_out.pins,
        chart_pins=chart_pins,
    )


@contextmanager
def timed(seconds: dict[str, float], what: str) -> Iterator[None]:
    """Record the duration of the `with` block as `seconds[what]`."""
    start = time.monotonic()
    yield
    seconds[what] = time.monotonic() - start
