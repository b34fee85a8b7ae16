"""The rehearsal's Helm repository: original charts, and simplified charts (stand-in charts) in place of original charts
that are not available."""

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

from components.kubernetes.chart import Chart, repository_index
from provider import model as provider
from provider.charts import repository
from provider.download import sha256_of
from provider.errors import TaskError
from rehearsal import image_cache
from rehearsal.archive import Packer
from rehearsal.artefacts import Row
from rehearsal.cache import Report, write_atomically
from rehearsal.charts import crds
from rehearsal.retries import DOWNLOAD_PATIENCE, with_retries
from rehearsal.shell import RehearsalError
from rehearsal.webhook import STAND_IN_IMAGE

STAND_INS = Path(__file__).parent
LIBRARY = STAND_INS / "library"
BUNDLE = "the bundle"
NETWORK = "their repositories"
MODULE = "its Go module"
STAND_IN_WITH_MODULE = "simplified chart with the CRDs, RBAC rules and webhooks from the original chart's Go module"
STAND_IN = "simplified charts in place of the original ones; the rehearsal simulates their webhooks and operators"
NEEDS_OTHER_KERNEL = frozenset(
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
"""Charts that are always stand-ins, because their programs need devices or kernel features of real machines."""
FOLDER = "charts"
"""Name of the Helm repository's folder in the mirror's folder."""


@dataclass(frozen=True)
class LabEndpoints:
    """The endpoints of the rehearsal's server that the objects of stand-in charts call.

    `webhooks_url` starts with https://. `ca` is the webhooks' CA certificate (PEM). `jobs_endpoint` is HOST:PORT.
    """

    webhooks_url: str
    ca: str
    jobs_endpoint: str


@dataclass(frozen=True)
class Sources:
    """Sources of original charts: an air-gap bundle, Helm repositories (if `online`), and Go modules by chart name."""

    bundle: Path | None = None
    online: bool = False
    modules: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class PackedChart:
    """A chart in the rehearsal's Helm repository, with its origin and the SHA-256 of its archive."""

    chart: Chart
    origin: str
    sha256: str
    reason: str = ""
    """Why the original chart cannot be downloaded, as a clause; empty if the rehearsal has no Internet access."""

    @property
    def real(self) -> bool:
        """Whether the chart is the original chart, not a stand-in."""
        return self.origin in (BUNDLE, NETWORK, MODULE)


def lay_out(
    mirror: Path, charts: Iterable[Chart], lab: LabEndpoints, sources: Sources = Sources(), report: Report = print
) -> list[PackedChart]:
    """Recreate the folder `MIRROR/charts` with all `charts`: the original chart if it is available, otherwise a
    stand-in chart.

    If a Go module's folder has no `Chart.yaml`, the stand-in chart includes all files of the folder.
    """
    folder = mirror / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    packed = [_lay_out(chart, folder / chart.archive_name, lab, sources, report) for chart in charts]
    (folder / "index.yaml").write_text(repository_index((item.chart, item.sha256) for item in packed))
    return packed


def pins(packed: Iterable[PackedChart]) -> dict[str, str]:
    """Return the SHA-256 of each chart archive by chart name, without original archives that homelab already pins."""
    return {
        item.chart.name: item.sha256 for item in packed if not (item.origin in (BUNDLE, NETWORK) and item.chart.sha256)
    }


def rows(packed: Iterable[PackedChart]) -> list[Row]:
    """Return the rows about Helm charts for the rehearsal's summary table `Real and simulated`."""
    by_origin: dict[str, list[PackedChart]] = {}
    for item in packed:
        origin = f"{item.origin}, because {item.reason}" if item.reason else item.origin
        by_origin.setdefault(origin, []).append(item)
    return [Row(f"charts {_names(group)}", origin, real=group[0].real) for origin, group in by_origin.items()]


def _names(packed: Iterable[PackedChart]) -> str:
    return ", ".join(f"{item.chart.name} {item.chart.version}" for item in packed)


def pack_stand_in(chart: Chart, lab: LabEndpoints, more: Path | None = None) -> bytes:
    """Package a stand-in chart as a reproducible .tgz; the folder `more` contains additional chart files."""
    source = STAND_INS / chart.name
    if not (source / "values.yaml").is_file():
        raise RehearsalError(
            f"The rehearsal has no stand-in for the chart {chart.name}: create {source}, or use --bundle with "
            f"an air-gap bundle that contains charts/{chart.archive_name}."
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
    """Package the original chart in `folder` as a .tgz with the version that homelab installs."""
    files = _texts(folder)
    metadata = yaml.safe_load(files["Chart.yaml"]) | {"version": chart.version}
    return _packed(chart, files | {"Chart.yaml": yaml.safe_dump(metadata, sort_keys=False)})


def _lay_out(chart: Chart, target: Path, lab: LabEndpoints, sources: Sources, report: Report) -> PackedChart:
    bundled = sources.bundle / FOLDER / target.name if sources.bundle else None
    module = sources.modules.get(chart.name)
    if bundled and bundled.is_file():
        shutil.copyfile(bundled, target)
        return PackedChart(chart, BUNDLE, sha256_of(target))
    reason = ""
    if sources.online and chart.name not in NEEDS_OTHER_KERNEL:
        try:
            target.write_bytes(_fetched(chart))
            return PackedChart(chart, NETWORK, sha256_of(target))
        except TaskError as error:
            reason = str(error)
            report(f"using a stand-in for the chart {chart.name}: {reason}")
    complete = module is not None and (module / "Chart.yaml").is_file()
    target.write_bytes(pack_module(chart, module) if module and complete else pack_stand_in(chart, lab, module))
    origin = MODULE if complete else STAND_IN_WITH_MODULE if module else STAND_IN
    return PackedChart(chart, origin, sha256_of(target), reason)


def _texts(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def _fetched(chart: Chart) -> bytes:
    """Return a chart's original archive from the cache or from its Helm repository. Raises TaskError."""
    origin = hashlib.sha256(chart.repository.encode()).hexdigest()[:12]
    cached = image_cache.cache_folder() / FOLDER / origin / chart.archive_name
    if image_cache.is_cached(cached) and chart.sha256 in (None, sha256_of(cached)):
        return cached.read_bytes()
    requested = provider.Chart(
        name=chart.name, version=chart.version, repository=chart.repository, sha256=chart.sha256 or ""
    )
    _, archive = with_retries(lambda: repository.fetch(requested), DOWNLOAD_PATIENCE)
    cached.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(cached, archive)
    return archive


def _files(chart: Chart, source: Path, lab: LabEndpoints) -> dict[str, str]:
    values = {"rehearsal": _values(lab)}
    files = {
        "Chart.yaml": yaml.safe_dump(_metadata(chart), sort_keys=False),
        "values.yaml": (source / "values.yaml").read_text() + yaml.safe_dump(values),
        "values.schema.json": json.dumps({"additionalProperties": True}),  # the stand-in ignores most values
    }
    templates = [*LIBRARY.iterdir(), *(source / "templates").glob("*")]
    files |= {f"templates/{file.name}": file.read_text() for file in templates}
    listed = source / "crds.yaml"
    return files | (crds.chart_files(yaml.safe_load(listed.read_text())) if listed.is_file() else {})


def _metadata(chart: Chart) -> dict[str, str]:
    return {
        "apiVersion": "v2",
        "name": chart.name,
        "version": chart.version,
        "description": "Stands in for the chart of this name.",
    }


def _values(lab: LabEndpoints) -> Mapping[str, str]:
    return {
        "webhooks": lab.webhooks_url,
        "authority": base64.b64encode(lab.ca.encode()).decode(),
        "questions": lab.jobs_endpoint,
        "image": STAND_IN_IMAGE,
    }
