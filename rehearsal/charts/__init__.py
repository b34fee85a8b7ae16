"""Stand-ins for the platform's charts, packed as a Helm repository: names, versions and kinds are the real ones'."""

import base64
import gzip
import hashlib
import io
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from components.layer import Chart
from provider import model as provider
from provider import repository
from provider.errors import TaskError
from rehearsal import download, upstream
from rehearsal.archive import Packer
from rehearsal.artefacts import Row
from rehearsal.cache import Report, write_whole
from rehearsal.charts import crds
from rehearsal.shell import RehearsalError
from rehearsal.webhook import STAND_IN

SOURCES = Path(__file__).parent
LIBRARY = SOURCES / "library"
BUNDLE = "the bundle's"
NETWORK = "their repositories'"
MODULE = "from its Go module"
FURNISHED = "templates of ours over the CRDs, rights and webhooks of its Go module"
STANDS_IN = "stand-ins; webhooks and what sleeping programs would do are the rehearsal's"
OTHER_KERNEL = frozenset(
    [
        "ceph-csi-drivers",
        "cilium",
        "crd.projectcalico.org.v1",
        "csi-driver-nfs",
        "longhorn",
        "nvidia-device-plugin",
        "rook-ceph",
        "rook-ceph-cluster",
        "tigera-operator",
        "zfs-localpv",
    ]
)
"""Charts whose programs want devices, or a kernel, of their own: they stand in although they could be fetched."""
FOLDER = "charts"
"""Where the repository is below the mirror."""


@dataclass(frozen=True)
class Surroundings:
    """What the charts must know of the lab: where webhooks answer (https://…), and questions of jobs (host:port).

    `authority` is the PEM certificate that signed the webhooks' one.
    """

    webhooks: str
    authority: str
    questions: str


@dataclass(frozen=True)
class Sources:
    """Where real charts may come from: a bundle's folder, their repositories, folders of modules by name."""

    bundle: Path | None = None
    online: bool = False
    modules: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Packed:
    """A chart in the repository, its archive's checksum, and where it came from."""

    chart: Chart
    origin: str
    sha256: str

    @property
    def real(self) -> bool:
        """Whether it is what the chart's authors wrote."""
        return self.origin in (BUNDLE, NETWORK, MODULE)


def lay_out(
    mirror: Path, charts: Iterable[Chart], lab: Surroundings, sources: Sources = Sources(), report: Report = print
) -> list[Packed]:
    """Fill `MIRROR/charts` anew, each from its best source; a chart that has none gets the stand-in.

    A module's folder without a `Chart.yaml` is no chart: what is in it goes into the stand-in.
    """
    folder = mirror / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    packed = [_lay_out(chart, folder / _file(chart), lab, sources, report) for chart in charts]
    (folder / "index.yaml").write_text(_index(packed))
    return packed


def pins(packed: Iterable[Packed]) -> dict[str, str]:
    """Checksums by name, but for real archives that are pinned: these have to be what they are elsewhere."""
    return {
        each.chart.name: each.sha256 for each in packed if not (each.origin in (BUNDLE, NETWORK) and each.chart.sha256)
    }


def rows(packed: Iterable[Packed]) -> list[Row]:
    """Lines of the table that says what is real."""
    by_origin: dict[str, list[Packed]] = {}
    for each in packed:
        by_origin.setdefault(each.origin, []).append(each)
    return [Row(f"charts {_names(found)}", origin, real=found[0].real) for origin, found in by_origin.items()]


def _names(packed: Iterable[Packed]) -> str:
    return ", ".join(f"{each.chart.name} {each.chart.version}" for each in packed)


def pack(chart: Chart, lab: Surroundings, more: Path | None = None) -> bytes:
    """The stand-in for a chart as a .tgz, with what is in `more`; the same chart always gives the same bytes."""
    source = SOURCES / chart.name
    if not (source / "values.yaml").is_file():
        raise RehearsalError(
            f"There is no stand-in for the chart {chart.name}: write {source}, or rehearse with a bundle that has "
            f"charts/{_file(chart)}."
        )
    return _packed(chart, _files(chart, source, lab) | (_texts(more) if more else {}))


def _packed(chart: Chart, files: Mapping[str, str]) -> bytes:
    content = io.BytesIO()
    packer = Packer(content)
    for name, text in sorted(files.items()):
        packer.content(f"{chart.name}/{name}", text.encode())
    packer.close()
    return gzip.compress(content.getvalue(), mtime=0)


def pack_module(chart: Chart, folder: Path) -> bytes:
    """The real chart in `folder` as a .tgz, under the version that the stack file wants."""
    files = _texts(folder)
    metadata = yaml.safe_load(files["Chart.yaml"]) | {"version": chart.version}
    return _packed(chart, files | {"Chart.yaml": yaml.safe_dump(metadata, sort_keys=False)})


def _lay_out(chart: Chart, target: Path, lab: Surroundings, sources: Sources, report: Report) -> Packed:
    bundled = sources.bundle / FOLDER / target.name if sources.bundle else None
    module = sources.modules.get(chart.name)
    if bundled and bundled.is_file():
        shutil.copyfile(bundled, target)
        origin = BUNDLE
    elif sources.online and chart.name not in OTHER_KERNEL and (archive := _fetched(chart, report)):
        target.write_bytes(archive)
        origin = NETWORK
    else:
        whole = module is not None and (module / "Chart.yaml").is_file()
        target.write_bytes(pack_module(chart, module) if module and whole else pack(chart, lab, module))
        origin = MODULE if whole else FURNISHED if module else STANDS_IN
    return Packed(chart, origin, download.digest(target))


def _texts(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def _fetched(chart: Chart, report: Report) -> bytes | None:
    """The archive as its repository has it, fetched once."""
    origin = hashlib.sha256(chart.repository.encode()).hexdigest()[:12]
    kept = upstream.kept() / FOLDER / origin / _file(chart)
    if kept.exists() and chart.sha256 in (None, download.digest(kept)):
        return kept.read_bytes()
    wanted = provider.Chart(
        name=chart.name, version=chart.version, repository=chart.repository, sha256=chart.sha256 or ""
    )
    try:
        _, archive = repository.fetch(wanted)
    except TaskError as error:
        report(f"the chart {chart.name} stands in: {error}")
        return None
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_whole(kept, archive)
    return archive


def _file(chart: Chart) -> str:
    return f"{chart.name}-{chart.version}.tgz"


def _files(chart: Chart, source: Path, lab: Surroundings) -> dict[str, str]:
    values = {"rehearsal": _values(lab)}
    files = {
        "Chart.yaml": yaml.safe_dump(_metadata(chart), sort_keys=False),
        "values.yaml": (source / "values.yaml").read_text() + yaml.safe_dump(values),
        "values.schema.json": json.dumps({"additionalProperties": True}),  # it knows but those that it reads
    }
    templates = [*LIBRARY.iterdir(), *(source / "templates").glob("*")]
    files |= {f"templates/{file.name}": file.read_text() for file in templates}
    listed = source / "crds.yaml"
    return files | (crds.files(yaml.safe_load(listed.read_text())) if listed.is_file() else {})


def _metadata(chart: Chart) -> dict[str, str]:
    return {
        "apiVersion": "v2",
        "name": chart.name,
        "version": chart.version,
        "description": "Stands in for the chart of this name.",
    }


def _values(lab: Surroundings) -> Mapping[str, str]:
    return {
        "webhooks": lab.webhooks,
        "authority": base64.b64encode(lab.authority.encode()).decode(),
        "questions": lab.questions,
        "image": STAND_IN,
    }


def _index(packed: Iterable[Packed]) -> str:
    entries: dict[str, list[dict[str, object]]] = {}
    for each in packed:
        release: dict[str, object] = {"urls": [_file(each.chart)], "digest": each.sha256}
        release |= _metadata(each.chart)
        entries.setdefault(each.chart.name, []).append(release)
    return yaml.safe_dump({"apiVersion": "v1", "entries": entries}, sort_keys=False)
