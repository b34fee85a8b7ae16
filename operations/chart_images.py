"""Finds the container images of a Helm chart, and builds the index of a Helm repository."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from provider.charts import contents
from provider.charts.repository import StringLoader
from provider.errors import TaskError

_ANNOTATION = "artifacthub.io/images"
_NAME = r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*"
_HOST = r"(?:[a-z0-9-]+\.)+[a-z0-9-]+(?::[0-9]+)?|[a-z0-9-]+:[0-9]+"
_DIGEST = "@sha256:[0-9a-f]{64}"
_VERSION = rf"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}(?:{_DIGEST})?|{_DIGEST})"
_IMAGE = re.compile(rf"(?:(?:{_HOST})/)?{_NAME}(?:/{_NAME})*(?:{_VERSION})?")
_WITH_HOST = re.compile(rf"(?<![\w./:@-])(?:{_HOST})/{_NAME}(?:/{_NAME})*{_VERSION}(?![\w/-])")
"""Pattern of an image name with a registry and a version, which is unambiguous in any text."""
_TEXTS = ("args", "command", "env", "data")
"""Fields that can contain further image names, such as the images that an operator deploys."""


def of_chart(name: str, url: str, archive: bytes, objects: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of the container images in a chart's Kubernetes objects and in its `Chart.yaml`.

    Raises `TaskError`. The result lacks images whose names are hard-coded in a program, such as an operator that
    deploys other images.
    """
    texts = dict(contents.matching_files(url, archive, rf"{re.escape(name)}(/charts/[^/]+)*/Chart\.yaml"))
    if f"{name}/Chart.yaml" not in texts:
        raise TaskError(f"The archive {url} is not the chart {name}, because {name}/Chart.yaml is missing.")
    listed = (image for text in texts.values() for image in _annotated(_load_yaml(url, text)))
    return sorted({*listed, *of_objects(objects)})


def of_objects(objects: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the names of all container images in Kubernetes objects, also in arguments, variables and ConfigMaps."""
    relevant = (item for item in objects if item.get("kind") != contents.CRD_KIND)
    return {image for item in relevant for image in _in_object(item)}


def _load_yaml(url: str, text: str) -> dict[str, Any]:
    try:
        content = yaml.load(text, StringLoader)  # noqa: S506 - it builds only texts, lists and mappings
    except yaml.YAMLError as error:
        raise TaskError(f"{url} contains a file that is not YAML: {' '.join(str(error).split())[:200]}") from error
    return dict(content) if isinstance(content, Mapping) else {}


def _annotated(metadata: Mapping[str, Any]) -> Iterator[str]:
    annotations = metadata.get("annotations")
    text = annotations.get(_ANNOTATION, "") if isinstance(annotations, Mapping) else ""
    listed = yaml.load(text, StringLoader) or []  # noqa: S506 - as above
    yield from (str(entry["image"]) for entry in listed if isinstance(entry, Mapping) and entry.get("image"))


def _in_object(tree: Any) -> Iterator[str]:
    if isinstance(tree, Mapping):
        for key, inner in tree.items():
            if isinstance(inner, str) and key.lower().endswith("image") and _IMAGE.fullmatch(inner):
                yield inner
            elif key in _TEXTS:
                yield from _in_text(inner)
            else:
                yield from _in_object(inner)
        yield from _from_parts(tree)
    elif isinstance(tree, list):
        for inner in tree:
            yield from _in_object(inner)


def _in_text(tree: Any) -> Iterator[str]:
    """Yield the container images in arguments, environment variables and ConfigMaps, as in `--sidecar-image=NAME`."""
    if isinstance(tree, str):
        yield from _WITH_HOST.findall(tree)
        yield from (image for image in re.findall(r"(?i)image[=:]\s*[\"']?([^\s\"',]+)", tree) if _is_image(image))
    elif isinstance(tree, list):
        for before, inner in zip(("", *tree), tree, strict=False):
            flag = isinstance(before, str) and re.fullmatch(r"-.*image", before)
            yield from (inner,) if flag and isinstance(inner, str) and _is_image(inner) else _in_text(inner)
    elif isinstance(tree, Mapping):
        name, value = str(tree.get("name", "")), tree.get("value")
        if "IMAGE" in name.upper() and isinstance(value, str):
            yield from (part for part in re.split(r"[\s,=]+", value) if _is_image(part))
        for key, inner in tree.items():
            is_image = key.lower().endswith("image") and isinstance(inner, str) and _is_image(inner)
            yield from (inner,) if is_image else _in_text(inner)


def _is_image(text: str) -> bool:
    """Return whether `text` is the name of a container image with a tag or a digest."""
    return bool(_IMAGE.fullmatch(text)) and (":" in text.rpartition("/")[2] or "@" in text)


def _from_parts(tree: Mapping[str, Any]) -> Iterator[str]:
    """Yield the image of a custom resource that has separate `registry`, `repository` and `tag` fields."""
    repository, tag = tree.get("repository"), tree.get("tag")
    if isinstance(repository, str) and isinstance(tag, str) and repository and tag:
        image = "/".join(filter(None, (str(tree.get("registry") or ""), repository))) + f":{tag}"
        yield from (image,) if _IMAGE.fullmatch(image) else ()
