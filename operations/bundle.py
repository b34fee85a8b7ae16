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
from operations.render import Renderer, RenderError, renderer
from operations.stack import Stack, StackError, StackFile, StackName
from provider.errors import TaskError
from provider.repository import fetch
from stacks.homelab import charts_of, layers_of, values_of
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
        charts = folder / "charts"
        there, lacking = _charts(charts, charts_of(replace(settings, platform=own)))
        missing += [*lacking, *_images(charts, folder / IMAGES, there, settings)]
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


def _charts(folder: Path, wanted: Sequence[Chart]) -> tuple[list[Chart], list[str]]:
    """Fetch charts and write the repository's index; returns those that are there, and of the others why not."""
    folder.mkdir(parents=True, exist_ok=True)
    there, missing = list[Chart](), list[str]()
    for chart in wanted:
        try:
            _, archive = fetch(chart_pins.fetched(chart))
        except TaskError as error:
            missing.append(str(error))
            continue
        (folder / chart_images.archive_of(chart)).write_bytes(archive)
        vouches = "it is pinned" if chart.sha256 else "its repository states; it is not pinned"
        talk.say(f"{chart.name} {chart.version}: fetched, as {vouches}")
        there.append(chart)
    (folder / "index.yaml").write_text(chart_images.index(folder, wanted))
    return there, missing


def _images(folder: Path, images: Path, charts: Sequence[Chart], settings: Settings) -> list[str]:
    """Write the list of what charts and layers run with the values of this stack; returns what is missing, and why."""
    missing, lists = list[str](), [*_own(settings)]
    try:
        if charts:
            with renderer(settings.cluster.k3s.version) as helm:
                lists += _rendered(folder, charts, settings, helm, missing)
    except RenderError as error:
        missing.append(f"{images.name} lacks the images of all charts. {error}")
    images.write_text("\n".join(lists))
    return missing


def _rendered(
    folder: Path, charts: Sequence[Chart], settings: Settings, helm: Renderer, missing: list[str]
) -> Iterator[str]:
    values = values_of(settings)
    spaces = {name: layer.namespace for layer in layers_of(settings) for name in layer.values()}
    for chart in charts:
        archive = folder / chart_images.archive_of(chart)
        try:
            objects = helm.objects(archive, chart.name, spaces[chart.name], values[chart.name])
            found = chart_images.of(chart.name, str(archive), archive.read_bytes(), objects)
        except (RenderError, TaskError) as error:
            missing.append(f"{IMAGES} lacks the images of {chart.name}: {error}")
            continue
        yield "\n".join((f"# {chart.name} {chart.version}", *found, ""))


def _own(settings: Settings) -> Iterator[str]:
    """Images in the objects that layers make besides their charts."""
    for layer in layers_of(settings):
        if found := chart_images.named([*layer.before(), *layer.extend()]):
            yield "\n".join((f"# {layer.key}", *sorted(found), ""))
