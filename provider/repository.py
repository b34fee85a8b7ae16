"""Repositories of charts: an archive fetched, and what it must be compared with what it is."""

import contextlib
import difflib
import hashlib
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import yaml

from . import oci
from .download import download
from .errors import TaskError
from .model import Chart

LARGEST_INDEX = 64 << 20
LARGEST_ARCHIVE = 32 << 20
NOTHING = ("", "~", "null")
Loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # every scalar stays the text it is


def fetch(chart: Chart) -> tuple[str, bytes]:
    """URL and content of the chart's archive: what is pinned, or else what the repository says; blocks.

    Raises TaskError.
    """
    scheme = urlsplit(chart.repository).scheme
    if scheme == "oci":
        url, digest, archive = oci.pull(chart, LARGEST_ARCHIVE)
    elif scheme in ("http", "https"):
        url, digest = _release(chart)
        if scheme == "https" and not url.startswith("https:") and not (chart.sha256 or digest):
            raise TaskError(
                f"The index of {chart.repository} leads to {url}, from https to http, and no checksum of {chart.name} "
                f"{chart.version} is known; it was not fetched. Pin its sha256, or take it from another repository."
            )
        archive = download(url, LARGEST_ARCHIVE)
    else:
        raise TaskError(
            f"{chart.name} cannot be fetched from {chart.repository}: only https://, http:// and oci:// are read. "
            "Give the address of a folder that has an index.yaml, or of a registry's folder."
        )
    _compare(chart, url, archive, digest)
    return url, archive


def _compare(chart: Chart, url: str, archive: bytes, stated: str) -> None:
    """Make sure that the archive has the pinned checksum, or without a pin the stated one. Raises TaskError."""
    found = hashlib.sha256(archive).hexdigest()
    if chart.sha256 and found != chart.sha256:
        raise TaskError(
            f"{url} is not what is pinned; it was not used.\npinned sha256 {chart.sha256}\nfound  sha256 {found}\n"
            "Either it was changed after it was pinned, or the pin belongs to another version. "
            "Find out which before you replace the pin with `./homelab pin`."
        )
    if not chart.sha256 and stated and found != stated:
        raise TaskError(
            f"{url} is not what its index says; it was not used.\nexpected sha256 {stated}\nfound    sha256 {found}"
        )


def _release(chart: Chart) -> tuple[str, str]:
    """URL and digest of the chart's archive, as the repository's index says."""
    url = f"{chart.repository.rstrip('/')}/index.yaml"
    text = download(url, LARGEST_INDEX).decode(errors="replace")
    release = _cut_out(chart, text) or _looked_up(chart, url, text)
    urls = release.get("urls")
    if not isinstance(urls, list) or not urls:
        raise TaskError(f"{url} names no file for {chart.name} {chart.version}.")
    digest = str(release.get("digest", "")).removeprefix("sha256:")
    return urljoin(url, str(urls[0])), "" if digest in NOTHING else digest


def _cut_out(chart: Chart, text: str) -> Mapping[str, Any] | None:
    """The release, if the index is written as Helm writes it. To read all of it takes seconds where it is large."""
    of_chart = re.search(rf"^  {re.escape(chart.name)}:\n((?:  [ -].*\n|\n)*)", text, re.MULTILINE)
    wanted = re.compile(rf"^    version: (['\"]?){re.escape(chart.version)}\1$", re.MULTILINE)
    for each in re.split("^  - ", of_chart[1], flags=re.MULTILINE)[1:] if of_chart else ():
        if wanted.search(f"    {each}"):
            with contextlib.suppress(yaml.YAMLError):
                found = yaml.load(f"    {each}", Loader)  # noqa: S506 - it makes nothing but texts, lists and mappings
                return dict(found) if isinstance(found, Mapping) and found.get("version") == chart.version else None
    return None


def _looked_up(chart: Chart, url: str, text: str) -> Mapping[str, Any]:
    entries = _loaded(url, text).get("entries")
    releases = entries.get(chart.name) if isinstance(entries, Mapping) else None
    if not isinstance(releases, list):
        names = _nearest(chart.name, [str(name) for name in entries or ()])
        raise TaskError(f"{url} has no chart {chart.name}; it has {names}.")
    releases = [each for each in releases if isinstance(each, Mapping)]
    release: Mapping[str, Any] | None = next((each for each in releases if each.get("version") == chart.version), None)
    if release is None:
        versions = _nearest(chart.version, [str(each.get("version")) for each in releases])
        raise TaskError(f"{url} has no version {chart.version} of {chart.name}; it has {versions}.")
    return release


def _nearest(word: str, known: list[str]) -> str:
    found = difflib.get_close_matches(word, known, n=5, cutoff=0.3) or known[:5]
    return ", ".join(found) + (", among others" if len(known) > len(found) else "") if found else "none"


def _loaded(url: str, text: str) -> Mapping[str, Any]:
    try:
        index = yaml.load(text, Loader)  # noqa: S506 - it makes nothing but texts, lists and mappings
    except yaml.YAMLError as error:
        raise TaskError(f"{url} is not YAML, so it is no index of a Helm repository: {brief(error)}") from error
    if not isinstance(index, Mapping):
        raise TaskError(f"{url} is no index of a Helm repository.")
    return index


def brief(error: yaml.YAMLError) -> str:
    """What is wrong with YAML, in one line."""
    return " ".join(str(error).split())[:200]
