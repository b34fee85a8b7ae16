"""A webhook for DNS-01 challenges: cert-manager's own RFC 2136 solver behind cert-manager's webhook API, with a chart.

DNS providers publish such webhooks with a Helm chart.
"""

from pathlib import Path

from rehearsal import go
from rehearsal.cache import Recipe
from rehearsal.images import NOBODY, Image
from rehearsal.programs import Program, cert_manager

NAME, VERSION = "dns-webhook", "1.0.0"
GROUP, SOLVER = "acme.lab.test", "rfc2136"
_FOLDER = Path(__file__).parent
_CHART = _FOLDER / "chart"


def recipe() -> Recipe:
    """Recipe that builds the webhook with the Go module of the rehearsal's cert-manager."""
    source, main = cert_manager.SOURCE, _FOLDER / "main.go"

    def make(folder: Path) -> None:
        go.release()
        overlay = {source / NAME / main.name: main}
        go.build(f"./{NAME}", folder / NAME, folder=source, overlay=overlay, cgo=False)

    ingredients = (main.read_bytes(), (source / "go.sum").read_bytes())
    return Recipe(NAME, VERSION, ingredients, "building from cert-manager's Go module: 1 minute on two cores", make)


def images(folder: Path) -> tuple[Image, ...]:
    """Return the image of the webhook."""
    return (Image.of(f"homelab.test/{NAME}:{VERSION}", folder / NAME, NOBODY),)


PROGRAM = Program((NAME,), recipe, images, lambda _: _CHART)
