"""`./homelab bundle`: downloads and verifies all files that an air-gapped lab needs."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from components.cluster.k3s import config
from components.cluster.settings import ClusterSettings
from components.kubernetes.chart import Chart, repository_index
from operations import chart_images, chart_pins, console, release, resumable_download
from operations.http import FetchError
from operations.pulumi_stack import Stack, StackError, StackFile, StackName
from operations.render import Renderer, RenderError, start_renderer
from provider.charts.repository import fetch
from provider.download import sha256_of
from provider.errors import TaskError
from stacks.homelab import chart_values_of, charts_of, layers_of
from stacks.settings import LabStack

IMAGE_LIST = "images.txt"
Arch = Annotated[
    list[str] | None,
    typer.Option("--arch", help="CPU architecture of the K3s files; repeatable. Default: the nodes' architectures."),
]


def bundle(
    folder: Annotated[Path, typer.Argument(help="Folder for the bundle.", file_okay=False)],
    stack: StackName = "homelab",
    config_file: StackFile = None,
    arch: Arch = None,
) -> None:
    """Download and verify the K3s release and the Helm charts for an air-gapped lab; list the charts' container images.

    The command skips each file that already has the correct checksum. Exit code: 0 if the bundle is complete, 1 if a
    file is missing.
    """
    with console.report_errors():
        settings = LabStack.read(Stack(stack, config_file).file)
        missing = [*_k3s(folder, settings.cluster, _architectures(settings.cluster, arch))]
        unmirrored = settings.platform.model_copy(update={"chart_mirror": None})
        charts = folder / "charts"
        fetched, errors = _charts(charts, charts_of(replace(settings, platform=unmirrored)))
        missing += [*errors, *_images(charts, folder / IMAGE_LIST, fetched, settings)]
        if missing:
            advice = f"The bundle {folder} is incomplete: fix the errors above, and run `./homelab bundle` again."
            raise StackError("\n".join((*missing, advice)))
    console.console.print(
        f"The bundle {folder} is complete; {IMAGE_LIST} lists the container images of the charts.",
        markup=False,
        soft_wrap=True,
    )


def _architectures(cluster: ClusterSettings, requested: Sequence[str] | None) -> list[str]:
    if unknown := set(requested or ()) - config.BINARIES.keys():
        raise StackError(f"--arch {', '.join(sorted(unknown))}: K3s supports only {', '.join(config.BINARIES)}.")
    configured = {node.arch for node in cluster.nodes}
    any_arch = not requested and None in configured
    return [arch for arch in config.BINARIES if any_arch or arch in (requested or configured)]


def _k3s(folder: Path, cluster: ClusterSettings, architectures: Sequence[str]) -> Iterator[str]:
    """Download a K3s release; yield an error message for each file that cannot be downloaded."""
    official = cluster.model_copy(update={"k3s": cluster.k3s.model_copy(update={"mirror": None})})
    source, version = config.release_variables(official), folder / cluster.k3s.version
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
    content = release.fetch_installer(url)
    _check_pin(url, content, cluster.k3s.pins.installer)
    (folder / "install.sh").write_bytes(content)
    (folder / "install.sh.sha256sum").write_text(f"{hashlib.sha256(content).hexdigest()}  install.sh\n")


def _binaries(folder: Path, cluster: ClusterSettings, source: str, arch: str) -> None:
    listing = release.fetch_checksum_list(source, arch)
    name = f"sha256sum-{arch}.txt"
    _check_pin(f"{source}/{name}", listing, getattr(cluster.k3s.pins, arch))
    stated = release.parse_checksums(listing)
    for file in (config.BINARIES[arch], f"{config.IMAGES_ARCHIVE}-{arch}.tar.zst"):
        if file not in stated:
            raise FetchError(f"The list {source}/{name} has no checksum of {file}, so homelab cannot verify the file.")
        is_new = resumable_download.download(f"{source}/{file}", folder / file, stated[file])
        console.say(f"{file}: {'downloaded' if is_new else 'exists'}, verified against its release")
    (folder / name).write_bytes(listing)  # written last, so that all files in the list exist


def _check_pin(url: str, content: bytes, pin: str | None) -> None:
    actual = hashlib.sha256(content).hexdigest()
    if pin and actual != pin:
        raise FetchError(
            f"{url} does not match k3s.pins; homelab did not save the file.\nfound  {actual}\npinned {pin}"
        )


def _charts(folder: Path, charts: Sequence[Chart]) -> tuple[list[Chart], list[str]]:
    """Download Helm charts and write a Helm repository index; return the downloaded charts and the error messages."""
    folder.mkdir(parents=True, exist_ok=True)
    downloaded, errors = list[Chart](), list[str]()
    for chart in charts:
        try:
            _, archive = fetch(chart_pins.plugin_input(chart))
        except TaskError as error:
            errors.append(str(error))
            continue
        (folder / chart.archive_name).write_bytes(archive)
        source = "its pin" if chart.sha256 else "its repository's checksum; not pinned"
        console.say(f"{chart.name} {chart.version}: downloaded, verified against {source}")
        downloaded.append(chart)
    archives = ((chart, folder / chart.archive_name) for chart in charts)
    index = repository_index((chart, sha256_of(archive)) for chart, archive in archives if archive.exists())
    (folder / "index.yaml").write_text(index)
    return downloaded, errors


def _images(folder: Path, images: Path, charts: Sequence[Chart], settings: LabStack) -> list[str]:
    """Write the names of the container images of a stack's Helm charts and layers to a file; return error messages."""
    errors, lists = list[str](), [*_layer_images(settings)]
    try:
        if charts:
            with start_renderer(settings.cluster.k3s.version) as helm:
                lists += _chart_images(folder, charts, settings, helm, errors)
    except RenderError as error:
        errors.append(f"{images.name} lacks the images of all charts. {error}")
    images.write_text("\n".join(lists))
    return errors


def _chart_images(
    folder: Path, charts: Sequence[Chart], settings: LabStack, helm: Renderer, errors: list[str]
) -> Iterator[str]:
    values = chart_values_of(settings)
    namespaces = {name: layer.namespace for layer in layers_of(settings) for name in layer.values()}
    for chart in charts:
        archive = folder / chart.archive_name
        try:
            objects = helm.render(archive, chart.name, namespaces[chart.name], values[chart.name])
            images = chart_images.of_chart(chart.name, str(archive), archive.read_bytes(), objects)
        except (RenderError, TaskError) as error:
            errors.append(f"{IMAGE_LIST} lacks the images of {chart.name}: {error}")
            continue
        yield "\n".join((f"# {chart.name} {chart.version}", *images, ""))


def _layer_images(settings: LabStack) -> Iterator[str]:
    """Yield the container images in the Kubernetes objects that platform layers create besides their Helm charts."""
    for layer in layers_of(settings):
        if images := chart_images.of_objects([*layer.objects_before_charts(), *layer.objects_after_charts()]):
            yield "\n".join((f"# {layer.key}", *sorted(images), ""))
