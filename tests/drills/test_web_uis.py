"""Web UIs of a lab, opened in Chromium by the instructions of `rehearse open`: the sample app and Argo CD's login."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.labs import stack_document
from rehearsal import browser, web_uis
from rehearsal.paths import PROJECT
from tests.drills.measurements import Recorder, timed
from tests.rehearsal.rehearsed_lab import RehearsedLab, rehearse, wait_until
from tests.support import chromium

pytestmark = pytest.mark.drill

PLATFORM: dict[str, Any] = {
    "metallb": {"addresses": ["10.9.0.200-10.9.0.220"]},
    "certManager": {},
    "traefik": {},
    "argocd": {},
}
BLANK = 6000  # maximum size of an empty page's screenshot in bytes


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    folder = tmp_path_factory.mktemp("pages")
    document = stack_document(1, 0)
    document["config"]["homelab:platform"] = PLATFORM
    shop = folder / "Pulumi.shop.yaml"
    sample = (PROJECT / shop.name).read_text().replace("platform: homelab", "platform: pages")
    shop.write_text(sample.replace("    postgres: {size: 2Gi}\n", "").replace("    discard: true", "    replicas: 1"))
    with rehearse("pages", document, folder, apps=[shop]) as found:
        found.up()
        found.up(engine=found.app_engine("shop"))
        yield found


@pytest.mark.parametrize(
    ("name", "shows"),
    [("shop", '<h1 id="message">Hello from the lab</h1>'), ("argocd", 'type="password"')],
)
def test_a_web_ui_opens_without_a_warning(
    name: str, shows: str, lab: RehearsedLab, tmp_path: Path, record: Recorder
) -> None:
    program = chromium.ensure(print)
    page = web_uis.select(web_uis.find_all(lab.lab), name)
    wait_until(lambda: web_uis.answers(lab.lab, page), f"{page.host} answers")
    with browser.forwarded_web_ui(lab.lab, page, 0) as said:
        with timed(record, f"page {name} in Chromium"):
            dom = program.dump_dom(said)
        picture = program.screenshot(said, tmp_path / f"{name}.png")
    assert shows in dom, dom
    assert len(picture) > BLANK
