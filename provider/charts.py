"""What a chart's archive holds: its CRDs, and other files. Nothing of it is run or written to a disk."""

import gzip
import io
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

import yaml

from . import archives
from .errors import TaskError
from .model import Chart
from .repository import Loader, brief

LARGEST_CONTENT = 128 << 20  # of the unpacked archive
KIND = "CustomResourceDefinition"


def crds(chart: Chart) -> str:
    """The CRDs of a chart and its sub-charts as YAML documents; blocks. Raises TaskError."""
    return crds_in(chart.name, *archives.read(chart))


def crds_in(chart: str, url: str, archive: bytes) -> str:
    """The same of an archive, which is told of as `url`. Raises TaskError."""
    folder = rf"{re.escape(chart)}(/charts/[^/]+)*"
    plain = rf"{folder}/crds/.+\.(ya?ml|json)"
    among_templates = rf"{folder}/(charts/crds/templates|templates/crds)/.+\.ya?ml"
    nothing_else = rf"{re.escape(chart)}/templates/.+\.ya?ml"
    for wanted in (plain, among_templates, nothing_else):
        found = [(f"{url}: {name}", text) for name, text in files(url, archive, wanted)]
        if found:
            texts = [_checked(name, text if wanted == plain else _bare(name, text)) for name, text in found]
            return "\n---\n".join(texts)
    raise TaskError(f"{url} holds no CRDs. Is it the right chart and version?")


def _bare(name: str, text: str) -> str:
    """A template of CRDs without its directives, each of which must have a line to itself. Raises TaskError."""
    left = re.sub(r"^\s*\{\{.*\}\}\s*$\n?", "", text, flags=re.MULTILINE)
    if "{{" in left:
        raise TaskError(f"{name} has a directive within a line, which only Helm can read; nothing was applied.")
    return left


def files(url: str, archive: bytes, wanted: str) -> Iterator[tuple[str, str]]:
    """Name and text of every file whose name is wanted (an expression). Nothing is unpacked onto a disk."""
    try:
        with tarfile.open(fileobj=io.BytesIO(_unpacked(url, archive)), mode="r:") as files:
            for member in files:
                path = PurePosixPath(member.name)
                if path.is_absolute() or ".." in path.parts:
                    raise TaskError(f"{url} holds a file outside of itself ({member.name}); it was not used.")
                if not re.fullmatch(wanted, str(path)) or member.isdir():
                    continue
                plain = member.isfile() and not member.issparse()  # holes take no room in the archive
                content = files.extractfile(member) if plain else None
                if content is None:
                    raise TaskError(f"{url}: {member.name} is no plain file; the chart was not used.")
                yield member.name, content.read().decode()
    except (tarfile.TarError, UnicodeDecodeError) as error:
        raise TaskError(f"{url} is no chart's archive: {error}") from error


def _unpacked(url: str, archive: bytes) -> bytes:
    try:
        with gzip.open(io.BytesIO(archive)) as content:
            unpacked = content.read(LARGEST_CONTENT + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise TaskError(f"{url} is no chart's archive: {error}") from error
    if len(unpacked) > LARGEST_CONTENT:
        raise TaskError(f"{url} unpacks to more than {LARGEST_CONTENT >> 20} MiB; it was not used.")
    return unpacked


def _checked(name: str, text: str) -> str:
    """The text of a file, which holds CRDs and nothing else. Raises TaskError."""
    try:
        documents = [document for document in yaml.load_all(text, Loader) if document]
    except yaml.YAMLError as error:
        raise TaskError(f"{name} is not YAML: {brief(error)}") from error
    for document in documents:
        kind = document.get("kind") if isinstance(document, Mapping) else None
        if kind != KIND:
            raise TaskError(f"{name} holds a {kind or 'document'} that is no {KIND}; nothing was applied.")
    return text.strip()
