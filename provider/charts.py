"""The CRDs of a Helm chart: fetched from its repository, checked, and never run."""

import difflib
import gzip
import hashlib
import io
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urljoin, urlsplit

import yaml

from .download import download
from .errors import TaskError
from .model import Chart

LARGEST_INDEX = 64 << 20
LARGEST_ARCHIVE = 32 << 20
LARGEST_CONTENT = 128 << 20  # of the unpacked archive
KIND = "CustomResourceDefinition"
NOTHING = ("", "~", "null")
Loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # every scalar stays the text it is


def crds(chart: Chart) -> str:
    """The CRDs of a chart and its sub-charts as YAML documents; blocks. Raises TaskError."""
    url, archive = fetched(chart)
    texts = [_checked(f"{url}: {name}", text) for name, text in _files(chart, url, archive)]
    if not texts:
        raise TaskError(f"{url} holds no CRDs below {chart.name}/crds/. Is it the right chart and version?")
    return "\n---\n".join(texts)


def fetched(chart: Chart) -> tuple[str, bytes]:
    """URL and content of a chart's archive, which is what the repository's index says; blocks. Raises TaskError."""
    scheme = urlsplit(chart.repository).scheme
    if scheme not in ("http", "https"):
        raise TaskError(
            f"{chart.name} cannot be fetched from {chart.repository}: only http:// and https:// Helm repositories are "
            "read. Give the address of a folder that has an index.yaml."
        )
    url, digest = _release(chart)
    archive = download(url, LARGEST_ARCHIVE)
    found = hashlib.sha256(archive).hexdigest()
    if digest and found != digest:
        raise TaskError(
            f"{url} is not what its index says; it was not used.\nexpected sha256 {digest}\nfound    sha256 {found}"
        )
    return url, archive


def _release(chart: Chart) -> tuple[str, str]:
    """URL and digest of the chart's archive, as the repository's index says."""
    url = f"{chart.repository.rstrip('/')}/index.yaml"
    entries = _loaded(url, download(url, LARGEST_INDEX).decode(errors="replace")).get("entries")
    releases = entries.get(chart.name) if isinstance(entries, Mapping) else None
    if not isinstance(releases, list):
        names = _nearest(chart.name, [str(name) for name in entries or ()])
        raise TaskError(f"{url} has no chart {chart.name}; it has {names}.")
    releases = [each for each in releases if isinstance(each, Mapping)]
    release = next((each for each in releases if each.get("version") == chart.version), None)
    if release is None:
        versions = _nearest(chart.version, [str(each.get("version")) for each in releases])
        raise TaskError(f"{url} has no version {chart.version} of {chart.name}; it has {versions}.")
    urls = release.get("urls")
    if not isinstance(urls, list) or not urls:
        raise TaskError(f"{url} names no file for {chart.name} {chart.version}.")
    digest = str(release.get("digest", "")).removeprefix("sha256:")
    return urljoin(url, str(urls[0])), "" if digest in NOTHING else digest


def _nearest(word: str, known: list[str]) -> str:
    found = difflib.get_close_matches(word, known, n=5, cutoff=0.3) or known[:5]
    return ", ".join(found) + (", among others" if len(known) > len(found) else "") if found else "none"


def _loaded(url: str, text: str) -> Mapping[str, Any]:
    try:
        index = yaml.load(text, Loader)  # noqa: S506 - it makes nothing but texts, lists and mappings
    except yaml.YAMLError as error:
        raise TaskError(f"{url} is not YAML, so it is no index of a Helm repository: {_brief(error)}") from error
    if not isinstance(index, Mapping):
        raise TaskError(f"{url} is no index of a Helm repository.")
    return index


def _files(chart: Chart, url: str, archive: bytes) -> Iterator[tuple[str, str]]:
    """Name and text of every file of CRDs."""
    return files(url, archive, re.compile(rf"{re.escape(chart.name)}(/charts/[^/]+)*/crds/.+\.(ya?ml|json)"))


def files(url: str, archive: bytes, wanted: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Name and text of the files that are wanted of a chart. Nothing is unpacked onto a disk. Raises TaskError."""
    try:
        with tarfile.open(fileobj=io.BytesIO(_unpacked(url, archive)), mode="r:") as files:
            for member in files:
                path = PurePosixPath(member.name)
                if path.is_absolute() or ".." in path.parts:
                    raise TaskError(f"{url} holds a file outside of itself ({member.name}); it was not used.")
                if not wanted.fullmatch(str(path)) or member.isdir():
                    continue
                content = files.extractfile(member) if member.isfile() else None
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
        raise TaskError(f"{name} is not YAML: {_brief(error)}") from error
    for document in documents:
        kind = document.get("kind") if isinstance(document, Mapping) else None
        if kind != KIND:
            raise TaskError(f"{name} holds a {kind or 'document'} that is no {KIND}; nothing was applied.")
    return text.strip()


def _brief(error: yaml.YAMLError) -> str:
    return " ".join(str(error).split())[:200]
