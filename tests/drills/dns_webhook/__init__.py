"""A webhook for DNS-01 challenges: cert-manager's own RFC 2136 solver behind cert-manager's webhook API, with a chart.

DNS providers publish such webhooks with a Helm chart.
"""

from pathlib import Path

from rehearsal import go
from rehearsal.cache import Recipe
from rehearsal.images import NOBODY, Image
from rehearsal.programs import Program
from rehearsal.recipes import sources

NAME, VERSION = "dns-webhook", "1.0.0"
GROUP, SOLVER = "acme.lab.test", "rfc2136"
_FOLDER = Path(__file__).parent
_CHART = _FOLDER / "chart"


def recipe() -> Recipe:
    """Recipe that builds the webhook from cert-manager's Go module."""

    def make(folder: Path) -> None:
        go.release()
        go.build(".", folder / NAME, folder=_FOLDER, cgo=False)

    takes = "building it from cert-manager's Go module takes about 1 minute on two cores"
    return Recipe(NAME, VERSION, sources(_FOLDER), takes, make)


def images(folder: Path) -> tuple[Image, ...]:
    """Return the image of the webhook."""
    return (Image.of(f"homelab.test/{NAME}:{VERSION}", folder / NAME, NOBODY),)


PROGRAM = Program((NAME,), recipe, images, lambda _: _CHART)
