"""What a chart's archive says of itself: the images that it runs, and its entry in an index."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from components.layer import Chart
from operations.artefact import digest
from provider import charts
from provider.errors import TaskError
from provider.repository import Loader

_ANNOTATION = "artifacthub.io/images"


def of(name: str, url: str, archive: bytes) -> list[str]:
    """The images that a chart and its sub-charts name in their metadata and default values. Raises TaskError.

    Images that only templates, settings or the programs themselves name are not among them.
    """
    wanted = rf"{re.escape(name)}(/charts/[^/]+)*/(Chart|values)\.yaml"
    texts = dict(charts.files(url, archive, wanted))
    if f"{name}/Chart.yaml" not in texts:
        raise TaskError(f"{url} has no {name}/Chart.yaml: it is not the chart {name}.")
    found: set[str] = set()
    for file in (file for file in texts if file.endswith("Chart.yaml")):
        metadata = _loaded(url, texts[file])
        found |= set(_annotated(url, metadata))
        values = _loaded(url, texts.get(file.replace("Chart.yaml", "values.yaml"), ""))
        found |= set(_named(values, str(metadata.get("appVersion", ""))))
    return sorted(found)


def index(folder: Path, wanted: Sequence[Chart]) -> str:
    """An index of those charts that are in the folder, as Helm reads it."""
    entries: dict[str, list[dict[str, Any]]] = {}
    for chart in wanted:
        file = folder / f"{chart.name}-{chart.version}.tgz"
        if file.exists():
            release = {"name": chart.name, "version": chart.version, "urls": [file.name], "digest": digest(file)}
            entries.setdefault(chart.name, []).append({"apiVersion": "v2", **release})
    return yaml.safe_dump({"apiVersion": "v1", "entries": entries}, sort_keys=False)


def _loaded(url: str, text: str) -> dict[str, Any]:
    try:
        found = yaml.load(text, Loader)  # noqa: S506 - it makes nothing but texts, lists and mappings
    except yaml.YAMLError as error:
        raise TaskError(f"{url} holds a file that is not YAML: {' '.join(str(error).split())[:200]}") from error
    return dict(found) if isinstance(found, Mapping) else {}


def _annotated(url: str, metadata: Mapping[str, Any]) -> Iterator[str]:
    annotations = metadata.get("annotations")
    text = annotations.get(_ANNOTATION, "") if isinstance(annotations, Mapping) else ""
    listed = yaml.load(text, Loader) or []  # noqa: S506 - as above
    yield from (str(each["image"]) for each in listed if isinstance(each, Mapping) and each.get("image"))


def _named(values: Any, version: str) -> Iterator[str]:
    """Images by the fields that charts give them: registry, repository, tag; without a tag it is the app's version."""
    if isinstance(values, Mapping):
        repository, tag = values.get("repository"), values.get("tag")
        if isinstance(repository, str) and isinstance(tag, str) and repository and (tag or version):
            parts = (values.get("registry") or "", repository)
            yield f"{'/'.join(part for part in parts if part)}:{tag or version}"
        for inner in values.values():
            yield from _named(inner, version)
    elif isinstance(values, list):
        for inner in values:
            yield from _named(inner, version)
