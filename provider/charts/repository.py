"""Fetch chart archives from Helm repositories and verify their checksums."""

import contextlib
import difflib
import hashlib
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import yaml

from provider.charts import oci
from provider.download import download
from provider.errors import TaskError
from provider.model import Chart

MAX_INDEX_BYTES = 64 << 20
MAX_ARCHIVE_BYTES = 32 << 20
YAML_NULLS = ("", "~", "null")  # spellings of a missing digest in YAML
StringLoader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # returns every scalar as a string


def fetch(chart: Chart) -> tuple[str, bytes]:
    """Download a Helm chart's archive, and compare its checksum with the pin or, without a pin, with the repository's.

    Returns the URL and the content of the chart's archive. This call blocks. Raises TaskError.
    """
    scheme = urlsplit(chart.repository).scheme
    if scheme == "oci":
        url, digest, archive = oci.pull(chart, MAX_ARCHIVE_BYTES)
    elif scheme in ("http", "https"):
        url, digest = _release(chart)
        if scheme == "https" and not url.startswith("https:") and not (chart.sha256 or digest):
            raise TaskError(
                f"The index of {chart.repository} refers to the http URL {url}, and contains no checksum of the chart "
                f"{chart.name} {chart.version}. Pin the chart's sha256, or use another repository."
            )
        archive = download(url, MAX_ARCHIVE_BYTES)
    else:
        raise TaskError(
            f"{chart.name} cannot be fetched from {chart.repository}: only https://, http:// and oci:// are supported. "
            "Use the URL of a folder that contains an index.yaml, or of a registry's folder."
        )
    _compare(chart, url, archive, digest)
    return url, archive


def _compare(chart: Chart, url: str, archive: bytes, expected: str) -> None:
    """Compare the archive's checksum with the pinned checksum or, without a pin, with `expected`. Raises TaskError."""
    actual = hashlib.sha256(archive).hexdigest()
    if chart.sha256 and actual != chart.sha256:
        raise TaskError(
            f"{url} does not have the pinned checksum; homelab did not use it.\n"
            f"pinned sha256 {chart.sha256}\nfound  sha256 {actual}\n"
            "Either the archive was changed after it was pinned, or the pin belongs to another version. "
            "Find out which before you replace the pin with `./homelab pin`."
        )
    if not chart.sha256 and expected and actual != expected:
        raise TaskError(
            f"{url} does not have the checksum in the repository's index; homelab did not use it.\n"
            f"expected sha256 {expected}\nfound    sha256 {actual}"
        )


def _release(chart: Chart) -> tuple[str, str]:
    """Look up the URL and the digest of a chart's archive in the index of its Helm repository. Raises TaskError."""
    url = f"{chart.repository.rstrip('/')}/index.yaml"
    text = download(url, MAX_INDEX_BYTES).decode(errors="replace")
    release = _find_by_text(chart, text) or _find_by_yaml(chart, url, text)
    urls = release.get("urls")
    if not isinstance(urls, list) or not urls:
        raise TaskError(f"The index {url} has no URL for the archive of {chart.name} {chart.version}.")
    digest = str(release.get("digest", "")).removeprefix("sha256:")
    return urljoin(url, str(urls[0])), "" if digest in YAML_NULLS else digest


def _find_by_text(chart: Chart, text: str) -> Mapping[str, Any] | None:
    """Find a chart version in an index with regular expressions, because parsing a large index as YAML takes seconds.

    Returns None if the index does not have the formatting of an index that Helm wrote.
    """
    section = re.search(rf"^  {re.escape(chart.name)}:\n((?:  [ -].*\n|\n)*)", text, re.MULTILINE)
    version = re.compile(rf"^    version: (['\"]?){re.escape(chart.version)}\1$", re.MULTILINE)
    for entry in re.split("^  - ", section[1], flags=re.MULTILINE)[1:] if section else ():
        if version.search(f"    {entry}"):
            with contextlib.suppress(yaml.YAMLError):
                release = yaml.load(f"    {entry}", StringLoader)  # noqa: S506 - it only creates strings, lists and mappings
                matches = isinstance(release, Mapping) and release.get("version") == chart.version
                return dict(release) if matches else None
    return None


def _find_by_yaml(chart: Chart, url: str, text: str) -> Mapping[str, Any]:
    """Parse the whole index of a Helm repository as YAML, and return the entry of the chart version.

    Raises TaskError.
    """
    entries = _loaded(url, text).get("entries")
    releases = entries.get(chart.name) if isinstance(entries, Mapping) else None
    if not isinstance(releases, list):
        names = _nearest(chart.name, [str(name) for name in entries or ()])
        raise TaskError(f"{url} has no chart {chart.name}; the index has {names}.")
    releases = [item for item in releases if isinstance(item, Mapping)]
    release: Mapping[str, Any] | None = next((item for item in releases if item.get("version") == chart.version), None)
    if release is None:
        versions = _nearest(chart.version, [str(item.get("version")) for item in releases])
        raise TaskError(f"{url} has no version {chart.version} of {chart.name}; the index has {versions}.")
    return release


def _nearest(word: str, known: list[str]) -> str:
    """List the five known words that are most similar to `word`, or the first five if no word is similar."""
    similar = difflib.get_close_matches(word, known, n=5, cutoff=0.3) or known[:5]
    return ", ".join(similar) + (", among others" if len(known) > len(similar) else "") if similar else "none"


def _loaded(url: str, text: str) -> Mapping[str, Any]:
    """Parse the `index.yaml` of a Helm repository. Raises TaskError."""
    try:
        index = yaml.load(text, StringLoader)  # noqa: S506 - it only creates strings, lists and mappings
    except yaml.YAMLError as error:
        raise TaskError(f"{url} must be the index of a Helm repository, but is not YAML: {one_line(error)}") from error
    if not isinstance(index, Mapping):
        raise TaskError(f"{url} is not the index of a Helm repository.")
    return index


def one_line(error: Exception) -> str:
    """Return the message of an error on one line, truncated to 200 characters."""
    return " ".join(str(error).split())[:200]
