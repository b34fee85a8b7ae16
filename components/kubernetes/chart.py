"""Helm charts, and the index of a Helm repository."""

from collections.abc import Iterable
from dataclasses import dataclass

import yaml


@dataclass(frozen=True)
class Chart:
    """A Helm chart in a Helm repository or, if the URL starts with oci://, in an OCI registry.

    `sha256` is the checksum of the chart's archive.
    """

    name: str
    version: str
    repository: str
    sha256: str | None = None

    @property
    def archive_name(self) -> str:
        """File name of the chart's archive."""
        return f"{self.name}-{self.version}.tgz"


def repository_index(checksums: Iterable[tuple[Chart, str]]) -> str:
    """Build the index of a Helm repository with charts and the checksums of their archives."""
    entries: dict[str, list[dict[str, object]]] = {}
    for chart, sha256 in checksums:
        release = {"name": chart.name, "version": chart.version, "urls": [chart.archive_name], "digest": sha256}
        entries.setdefault(chart.name, []).append({"apiVersion": "v2", **release})
    return yaml.safe_dump({"apiVersion": "v1", "entries": entries}, sort_keys=False)
