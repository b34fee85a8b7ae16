"""Downloads a stack's charts from their Helm repositories and computes their checksums."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from components.kubernetes.chart import Chart
from operations.http import FetchError
from provider.charts.repository import fetch
from provider.errors import TaskError
from provider.model import Chart as Fetched
from stacks.homelab import charts_of
from stacks.settings import LabStack


def fetch_pins(settings: LabStack, old: Mapping[str, str], official: bool) -> dict[str, str]:
    """Return the chart checksums for `platform.pins` in the stack file; `old` contains the current checksums.

    Raises `FetchError`. The result omits each chart that stacks/charts.sha256 already pins, unless `old` contains the
    chart and the downloaded archive has another checksum.
    """
    unpinned = settings.platform.model_copy(update={"pins": {}} | ({"chart_mirror": None} if official else {}))
    new = dict(old)
    for chart in charts_of(replace(settings, platform=unpinned)):
        built_in = chart.sha256
        if built_in and chart.name not in old:
            continue
        if chart.repository.startswith("http://"):
            if chart.name in old:
                continue
            raise FetchError(
                f"{chart.name} comes from {chart.repository}, which is not https: anyone on the network "
                "path could have changed the chart.\nUse --official to read the chart's own repository, or write "
                "platform.pins manually from a trusted source."
            )
        new[chart.name] = checksum = fetch_sha256(chart)
        if checksum == built_in:
            del new[chart.name]
    return new


def fetch_sha256(chart: Chart) -> str:
    """Download a chart without checking its pin, and return the chart's SHA-256 checksum. Raises `FetchError`."""
    try:
        _, archive = fetch(plugin_input(replace(chart, sha256=None)))
    except TaskError as error:
        raise FetchError(str(error)) from None
    return hashlib.sha256(archive).hexdigest()


def plugin_input(chart: Chart) -> Fetched:
    """Convert a chart of the catalog to the chart input of homelab's Pulumi provider plugin."""
    return Fetched(name=chart.name, version=chart.version, repository=chart.repository, sha256=chart.sha256 or "")
