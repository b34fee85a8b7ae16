"""The checksums of a stack's charts, as their repositories have them now."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from components.layer import Chart
from operations.https import FetchError
from provider.errors import TaskError
from provider.model import Chart as Fetched
from provider.repository import fetch
from stacks.homelab import charts_of
from stacks.settings import Settings


def pins(settings: Settings, old: Mapping[str, str], official: bool) -> dict[str, str]:
    """Fetch what `platform.pins` is to hold: `old` is what it holds. Raises `FetchError`.

    Charts that the program pins itself are not in it, unless the file has another sum of them.
    """
    own = settings.platform.model_copy(update={"pins": {}} | ({"chart_mirror": None} if official else {}))
    new = dict(old)
    for chart in charts_of(replace(settings, platform=own)):
        known = chart.sha256
        if known and chart.name not in old:
            continue
        if chart.repository.startswith("http://"):
            if chart.name in old:
                continue
            raise FetchError(
                f"{chart.name} comes from {chart.repository}, which is not https: anyone on the way could have "
                "written it.\nTake its checksum from its own repository with --official, or write "
                "platform.pins by hand from a source that you trust."
            )
        new[chart.name] = found = sha256(chart)
        if found == known:
            del new[chart.name]
    return new


def sha256(chart: Chart) -> str:
    """Fetch the chart whatever it is pinned to, and return its checksum. Raises `FetchError`."""
    try:
        _, archive = fetch(fetched(replace(chart, sha256=None)))
    except TaskError as error:
        raise FetchError(str(error)) from None
    return hashlib.sha256(archive).hexdigest()


def fetched(chart: Chart) -> Fetched:
    """The chart as it is asked for."""
    return Fetched(name=chart.name, version=chart.version, repository=chart.repository, sha256=chart.sha256 or "")
