"""`./homelab bundle`: everything that a lab without the Internet fetches, verified, in one folder."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from components import k3s
from components.lab import ClusterSettings
from components.layer import Chart
from operations import artefact, chart_images, chart_pins, release, talk
from operations.https import FetchError
from operations.stack import Stack, StackError, StackFile, StackName
from provider.errors import TaskError
from provider.repository import fetch
from stacks.homelab import charts_of
from stacks.settings import Settings

BINARIES = {"amd64": "k3s", "arm64": "k3s-arm64", "arm": "k3s-armhf"}
IMAGES = "images.txt"
Arch = Annotated[
    list[str] | None, typer.Option("--arch", help="Architecture of machines; may be repeated. Default: the file's.")
]


def bundle(
    folder: Annotated[Path, typer.Argument(help="Where to put it.", file_okay=False)],
    stack: StackName = "homelab",
    config_file: StackFile = None,
    arch: Arch = None,
) -> None:
    """Fetch and verify K3s, its images, its installer and the layers' charts into one folder; list their images.

    What is there and right is not fetched again. Ends with 1 if anything is missing.
    """
    with talk.guarded():
        settings = Settings.read(Stack(stack, config_file).file)
        missing = [*_k3s(folder, settings.cluster, _architectures(settings.cluster, arch))]
        own = settings.platform.model_copy(update={"chart_mirror": None})
        missing += _charts(folder / "charts", folder / IMAGES, charts_of(replace(settings, platform=own)))
        if missing:
            raise StackError("\n".join((*missing, f"{folder} is not complete: mend that, and run this again.")))
    talk.console.print(f"{folder} is complete; {IMAGES} lists what the charts run.", markup=False, soft_wrap=True)


def _architectures(cluster: ClusterSettings, given: Sequence[str] | None) -> list[str]:
    if unknown := set(given or ()) - BINARIES.keys():
        raise StackError(f"--arch {', '.join(sorted(unknown))}: K3s is there for {', '.join(BINARIES)}.")
    named = {node.arch for node in cluster.nodes}
    return [arch for arch in BINARIES if arch in (given or named) or (not given and None in named)]


def _k3s(folder: Path, cluster: ClusterSettings, architectures: Sequence[str]) -> Iterator[str]:
    """Fetch a release of K3s; yields what is missing, and why."""
    official = cluster.model_copy(update={"k3s": cluster.k3s.model_copy(update={"mirror": None})})
    source, version = k3s.release(official), folder / cluster.k3s.version
    version.mkdir(parents=True, exist_ok=True)
    try:
        _installer(version, cluster, source["INSTALLER"])
    except FetchError as error:
        yield str(error)
    for arch in architectures:
        try:
            _binaries(version, cluster, source["RELEASES"], arch)
        except FetchError as error:
            yield str(error)


def _installer(folder: Path, cluster: ClusterSettings, url: str) -> None:
    content = release.installer(url)
    _pinned(url, content, cluster.k3s.pins.installer)
    (folder / "install.sh").write_bytes(content)
    (folder / "install.sh.sha256sum").write_text(f"{hashlib.sha256(content).hexdigest()}  install.sh\n")


def _binaries(folder: Path, cluster: ClusterSettings, source: str, arch: str) -> None:
    listing = release.listing(source, arch)
    name = f"sha256sum-{arch}.txt"
    _pinned(f"{source}/{name}", listing, getattr(cluster.k3s.pins, arch))
    stated = release.stated(listing)
    for file in (BINARIES[arch], f"{k3s.IMAGES}-{arch}.tar.zst"):
        if file not in stated:
            raise FetchError(f"{source}/{name} states no checksum of {file}, so that it cannot be verified.")
        fetched = artefact.obtain(f"{source}/{file}", folder / file, stated[file])
        talk.say(f"{file}: {'fetched' if fetched else 'is there'}, as its release states")
    (folder / name).write_bytes(listing)  # last: who finds it finds what it lists


def _pinned(url: str, content: bytes, pin: str | None) -> None:
    found = hashlib.sha256(content).hexdigest()
    if pin and found != pin:
        raise FetchError(f"{url} is not what k3s.pins pins; it was not kept.\nfound  {found}\npinned {pin}")


def _charts(folder: Path, images: Path, wanted: Sequence[Chart]) -> list[str]:
    """Fetch charts and write the repository's index and the list of images; returns what is missing, and why."""
    folder.mkdir(parents=True, exist_ok=True)
    missing, lists = [], []
    for chart in wanted:
        try:
            url, archive = fetch(chart_pins.fetched(chart))
            found = chart_images.of(chart.name, url, archive)
        except TaskError as error:
            missing.append(str(error))
            continue
        (folder / f"{chart.name}-{chart.version}.tgz").write_bytes(archive)
        lists.append("\n".join((f"# {chart.name} {chart.version}", *found, "")))
        vouches = "it is pinned" if chart.sha256 else "its repository states; it is not pinned"
        talk.say(f"{chart.name} {chart.version}: fetched, as {vouches}")
    (folder / "index.yaml").write_text(chart_images.index(folder, wanted))
    images.write_text("\n".join(lists))
    return missing
