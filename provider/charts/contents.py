"""Read CRDs and other files from a chart's archive in memory, without executing or unpacking the archive's files."""

import gzip
import io
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

import yaml

from provider.charts import archives
from provider.charts.repository import StringLoader, one_line
from provider.errors import TaskError
from provider.model import Chart

MAX_CONTENT_BYTES = 128 << 20  # maximum size of the unpacked archive
CRD_KIND = "CustomResourceDefinition"


def crds(chart: Chart) -> str:
    """Return the CRDs of a chart and its sub-charts as YAML documents. This call blocks. Raises TaskError."""
    return crds_of_archive(chart.name, *archives.read_or_fetch(chart))


def crds_of_archive(chart: str, url: str, archive: bytes) -> str:
    """Return the CRDs in a chart archive as YAML documents. Error messages name the archive by `url`.

    Raises TaskError.
    """
    folder = rf"{re.escape(chart)}(/charts/[^/]+)*"
    crds_folder = rf"{folder}/crds/.+\.(ya?ml|json)"
    crd_templates = rf"{folder}/(charts/crds/templates|templates/crds)/.+\.ya?ml"
    all_templates = rf"{re.escape(chart)}/templates/.+\.ya?ml"  # for a chart that contains only CRDs
    for pattern in (crds_folder, crd_templates, all_templates):
        matches = [(f"{url}: {name}", text) for name, text in matching_files(url, archive, pattern)]
        if matches:
            plain = pattern == crds_folder
            texts = [_checked(name, text if plain else _without_directives(name, text)) for name, text in matches]
            return "\n---\n".join(texts)
    raise TaskError(f"The chart archive {url} contains no CRDs. Check the chart's name, repository and version.")


def _without_directives(name: str, text: str) -> str:
    """Remove the lines with Helm template directives from a file of CRDs.

    Raises TaskError if a template directive shares a line with YAML text, because homelab does not render templates.
    """
    plain = re.sub(r"^\s*\{\{.*\}\}\s*$\n?", "", text, flags=re.MULTILINE)
    if "{{" in plain:
        raise TaskError(
            f"{name} has a template directive within a line. Only Helm can render such a line; homelab applied no CRDs."
        )
    return plain


def matching_files(url: str, archive: bytes, pattern: str) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of each file in a chart archive whose path matches `pattern`. Raises TaskError."""
    try:
        with tarfile.open(fileobj=io.BytesIO(_unpacked(url, archive)), mode="r:") as files:
            for member in files:
                path = PurePosixPath(member.name)
                if path.is_absolute() or ".." in path.parts:
                    raise TaskError(
                        f"The archive {url} contains the path {member.name}, which leads out of the archive; "
                        "homelab did not use the chart."
                    )
                if not re.fullmatch(pattern, str(path)) or member.isdir():
                    continue
                # reject sparse files, because a small archive may contain a huge sparse file
                regular = member.isfile() and not member.issparse()
                content = files.extractfile(member) if regular else None
                if content is None:
                    raise TaskError(
                        f"The archive {url} contains {member.name}, which is not a regular file; "
                        "homelab did not use the chart."
                    )
                yield member.name, content.read().decode()
    except (tarfile.TarError, UnicodeDecodeError) as error:
        raise TaskError(f"{url} is not a chart archive: {error}") from error


def _unpacked(url: str, archive: bytes) -> bytes:
    try:
        with gzip.open(io.BytesIO(archive)) as content:
            unpacked = content.read(MAX_CONTENT_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise TaskError(f"{url} is not a chart archive: {error}") from error
    if len(unpacked) > MAX_CONTENT_BYTES:
        raise TaskError(
            f"The archive {url} unpacks to more than {MAX_CONTENT_BYTES >> 20} MiB; homelab did not use the chart."
        )
    return unpacked


def _checked(name: str, text: str) -> str:
    """Validate that a YAML file contains only CRDs, and return the file's text. Raises TaskError."""
    try:
        documents = [document for document in yaml.load_all(text, StringLoader) if document]
    except yaml.YAMLError as error:
        raise TaskError(f"{name} is not YAML: {one_line(error)}") from error
    for document in documents:
        kind = document.get("kind") if isinstance(document, Mapping) else None
        if kind != CRD_KIND:
            raise TaskError(
                f"The file {name} contains a {kind or 'document'}, but may contain only CRDs; homelab applied no CRDs."
            )
    return text.strip()
