"""Helm charts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Chart:
    """A Helm chart in a Helm repository or, if the URL starts with oci://, in an OCI registry.

    `sha256` is the checksum of the chart's archive.
    """

    name: str
    version: str
    repository: str
    sha256: str | None = None
