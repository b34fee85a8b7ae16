"""Where the archives of real charts come from: a bundle, the network, Go modules, in this order; pinned by digest."""

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import yaml

from components.kubernetes.chart import Chart
from operations.chart_pins import plugin_input
from provider.charts.repository import fetch
from provider.errors import TaskError
from rehearsal import go
from rehearsal.cache import root
from rehearsal.shell import RehearsalError
from stacks.catalog import LAYERS, PINS

BUNDLE = "HOMELAB_BUNDLE"
"""Names the folder that `./homelab bundle` has filled."""
AWAY = "could not be fetched"


class NotHereError(Exception):
    """A chart is not to be had. The text says why."""


@dataclass(frozen=True)
class InModule:
    """A chart in the archive of a Go module, which is pinned by its h1: digest."""

    version: str
    module: str
    release: str
    pinned: str
    folder: str


MODULES: Mapping[str, InModule] = {
    "metallb": InModule(
        "0.16.1", "go.universe.tf/metallb", "v0.16.1", "h1:iVtjCslcUFMOEvuNeAyW2ygZxyW+6YjnNcEuCTOZezc=",
        "charts/metallb",
    ),
    "cert-manager": InModule(
        "v1.21.1", "github.com/cert-manager/cert-manager", "v1.21.1",
        "h1:0LttV37Q5c2CBNoHkjuI8sLKTXWZDC2SwQkxrBMKV9w=", "deploy/charts/cert-manager",
    ),
}  # fmt: skip


def catalog(name: str) -> Chart:
    """The chart of the catalog, with its pin."""
    chart = next(chart for entry in LAYERS for chart in entry.charts if chart.name == name)
    return replace(chart, sha256=PINS.get(chart.archive_name))


@cache
def looked_for(name: str) -> Path | str:
    """The archive of the catalog's chart, or why each of the places has none."""
    reasons = []
    for place in PLACES:
        try:
            return place(catalog(name))
        except NotHereError as error:
            reasons.append(str(error))
    return "; ".join(reasons)


def archive(name: str) -> Path:
    """The archive of the catalog's chart. Raises NotHereError."""
    found = looked_for(name)
    if isinstance(found, str):
        raise NotHereError(found)
    return found


def bundled(chart: Chart) -> Path:
    """The archive in the bundle. Raises NotHereError."""
    folder = os.environ.get(BUNDLE)
    if not folder:
        raise NotHereError(f"{BUNDLE} names no bundle")
    file = Path(folder) / "charts" / chart.archive_name
    if not file.is_file():
        raise NotHereError(f"{file} is not there")
    if chart.sha256 and hashlib.sha256(file.read_bytes()).hexdigest() != chart.sha256:
        raise NotHereError(f"{file} is not what is pinned")
    return file


_away: list[str] = []


def fetched_now(chart: Chart) -> Path:
    """The archive from its repository; one that is pinned is kept. Raises NotHereError."""
    file = _kept(f"{chart.name}-{chart.version}-{chart.sha256 or os.getpid()}.tgz")
    if chart.sha256 and file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == chart.sha256:
        return file
    if _away:
        raise NotHereError(_away[0])
    try:
        _, content = fetch(plugin_input(chart))
    except TaskError as error:
        said = str(error).partition(": see that")[0]
        if AWAY in said:
            _away.append(said)  # the next repository would let us wait as long
        raise NotHereError(said) from None
    return _written(file, content)


def in_module(chart: Chart) -> Path:
    """The archive packed from a Go module. Raises NotHereError."""
    about = MODULES.get(chart.name)
    if about is None or about.version != chart.version:
        raise NotHereError("no Go module that is pinned here has it")
    file = _kept(f"{chart.name}-{chart.version}-{hashlib.sha256(about.pinned.encode()).hexdigest()[:12]}.tgz")
    if not file.is_file():
        try:
            folder = go.module(about.module, about.release, about.pinned) / about.folder
        except (RehearsalError, OSError) as error:
            raise NotHereError(f"its Go module: {str(error).splitlines()[0]}") from None
        _written(file, _packed(chart, folder))
    return file


def _packed(chart: Chart, folder: Path) -> bytes:
    """The folder as an archive; the version in it is a placeholder where a release fills it in."""
    metadata = yaml.safe_load((folder / "Chart.yaml").read_text()) | {"version": chart.version}
    files = dict(_files(folder, chart.name)) | {f"{chart.name}/Chart.yaml": yaml.safe_dump(metadata).encode()}
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as packed:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            packed.addfile(member, io.BytesIO(text))
    return content.getvalue()


def _files(folder: Path, name: str) -> Iterator[tuple[str, bytes]]:
    """The files of a chart, and those of sub-charts that are packed in it."""
    for each in sorted(folder.rglob("*")):
        if each.suffix == ".tgz" and each.parent.name == "charts":
            with tarfile.open(each) as inner:
                for member in inner:
                    if content := inner.extractfile(member):
                        yield f"{name}/charts/{member.name}", content.read()
        elif each.is_file():
            yield f"{name}/{each.relative_to(folder)}", each.read_bytes()


def _kept(name: str) -> Path:
    return root().parent / "charts" / name


def _written(file: Path, content: bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}")
    part.write_bytes(content)
    part.replace(file)
    return file


PLACES: tuple[Callable[[Chart], Path], ...] = (bundled, fetched_now, in_module)
