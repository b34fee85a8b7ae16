"""Web UIs of a lab, opened in Chromium by the instructions of `rehearse open`: the sample app; Argo CD's login."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.labs import stack_document
from rehearsal import browser, web_uis
from rehearsal.paths import PROJECT
from tests.drills.measurements import Recorder, timed
from tests.rehearsal.rehearsed_lab import RehearsedLab, rehearse, wait_until
from tests.support import chromium
from tests.support.chromium import Page

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


@contextmanager
def opened(name: str, lab: RehearsedLab) -> Iterator[Page]:
    """Open a web UI in Chromium."""
    program = chromium.ensure(print)
    web_ui = web_uis.select(web_uis.find_all(lab.lab), name)
    wait_until(lambda: web_uis.answers(lab.lab, web_ui), f"{web_ui.host} answers")
    with browser.forwarded_web_ui(lab.lab, web_ui, 0) as said, program.opened(said) as page:
        yield page


@pytest.mark.parametrize(
    ("name", "shows"),
    [("shop", '<h1 id="message">Hello from the lab</h1>'), ("argocd", 'type="password"')],
)
def test_a_web_ui_opens_without_a_warning(
    name: str, shows: str, lab: RehearsedLab, tmp_path: Path, record: Recorder
) -> None:
    with timed(record, f"page {name} in Chromium"), opened(name, lab) as page:
        page.wait_for(shows)
        assert len(page.screenshot(tmp_path / f"{name}.png")) > BLANK


def test_the_administrator_logs_in_to_argo_cd(lab: RehearsedLab, tmp_path: Path) -> None:
    secret = ("secret", "-n", "argocd", "argocd-initial-admin-secret", "-o", "jsonpath={.data.password}")
    password = base64.b64decode(lab.kubectl("get", *secret)).decode()
    with opened("argocd", lab) as page:
        page.wait_for('type="password"')
        page.write("[name=username]", "admin")
        for words, answer in (("wrong", "Invalid username or password"), (password, "You are logged in to Argo CD as")):
            page.evaluate("document.querySelector('[name=password]').select()")
            page.write("[name=password]", words)
            page.evaluate("document.querySelector('button[type=submit]').click()")
            page.wait_for(answer)
        page.screenshot(tmp_path / "logged-in.png")
