"""`python -m operations.catalog_pins`: updates stacks/charts.sha256 with a checksum for every chart in the catalog.

A chart version that stacks/charts.sha256 already contains keeps its checksum. New chart versions are downloaded from
their Helm repository. Chart versions that are no longer in the catalog are removed from stacks/charts.sha256.
"""

import sys
from collections.abc import Iterable, Mapping

from components.kubernetes.chart import Chart
from operations import chart_pins, files
from operations.http import FetchError
from stacks.catalog import CHECKSUMS_FILE, LAYERS, PINS


def main() -> int:
    """Write the checksums of all charts to stacks/charts.sha256; return exit code 1 if a chart cannot be downloaded."""
    sums, missing = fetch_missing([chart for entry in LAYERS for chart in entry.charts], PINS)
    files.replace(CHECKSUMS_FILE, "".join(f"{sha256}  {name}\n" for name, sha256 in sums.items()))
    for cause in missing:
        print(cause, file=sys.stderr)
    return 1 if missing else 0


def fetch_missing(charts: Iterable[Chart], known: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the charts' checksums by archive name (NAME-VERSION.tgz), and the error messages of failed downloads."""
    sums, missing = dict[str, str](), list[str]()
    for chart in charts:
        name = f"{chart.name}-{chart.version}.tgz"
        try:
            sums[name] = known.get(name) or chart_pins.fetch_sha256(chart)
        except FetchError as error:
            missing.append(str(error))
    return sums, missing


if __name__ == "__main__":
    sys.exit(main())
