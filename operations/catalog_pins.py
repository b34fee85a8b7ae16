"""`python -m operations.catalog_pins`: has a checksum of every chart of the catalog in stacks/charts.sha256.

A version that has one keeps it; one that is new is fetched from its repository; one that is gone is forgotten.
"""

import sys
from collections.abc import Iterable, Mapping

from components.layer import Chart
from operations import chart_pins, files
from operations.https import FetchError
from stacks.catalog import LAYERS, PINS, SUMS


def main() -> int:
    """Write what could be had; 1 if something could not."""
    sums, missing = complete([chart for row in LAYERS for chart in row.charts], PINS)
    files.replace(SUMS, "".join(f"{sha256}  {name}\n" for name, sha256 in sums.items()))
    for cause in missing:
        print(cause, file=sys.stderr)
    return 1 if missing else 0


def complete(charts: Iterable[Chart], known: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Checksums of these charts by NAME-VERSION.tgz, and why there is none of some."""
    sums, missing = dict[str, str](), list[str]()
    for chart in charts:
        name = f"{chart.name}-{chart.version}.tgz"
        try:
            sums[name] = known.get(name) or chart_pins.sha256(chart)
        except FetchError as error:
            missing.append(str(error))
    return sums, missing


if __name__ == "__main__":
    sys.exit(main())
