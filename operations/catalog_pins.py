"""`python -m operations.catalog_pins`: writes the checksums of all charts in stacks/catalog.py to stacks/charts.sha256.

A chart version that stacks/charts.sha256 already contains keeps its checksum. The script downloads new chart versions
from their Helm repositories. The script removes a chart version from stacks/charts.sha256 if stacks/catalog.py no
longer contains the version.
"""

import sys
from collections.abc import Iterable, Mapping

from components.kubernetes.chart import Chart
from operations import chart_pins, files
from operations.http import FetchError
from stacks.catalog import CHECKSUMS_FILE, LAYERS, PINS


def main() -> int:
    """Write the checksums of all Helm charts to stacks/charts.sha256; return exit code 1 if a download fails."""
    sums, missing = fetch_missing([chart for entry in LAYERS for chart in entry.charts], PINS)
    files.replace(CHECKSUMS_FILE, "".join(f"{sha256}  {name}\n" for name, sha256 in sums.items()))
    for cause in missing:
        print(cause, file=sys.stderr)
    return 1 if missing else 0


def fetch_missing(charts: Iterable[Chart], known: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the SHA-256 of each chart by archive name (NAME-VERSION.tgz), and an error message per failed download."""
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
