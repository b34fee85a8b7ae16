"""Each sample is deployed to bare machines and destroyed; `tests/rehearsal` covers the README's sample."""

from pathlib import Path

import pytest
import yaml

from operations.checks.layer import check_releases
from operations.findings import State
from stacks import stackfile
from stacks.homelab import layers_of
from stacks.settings import Settings
from tests.drills.figures import Figure, timed
from tests.rehearsal.bench import Rehearsal, rehearsal, wait_until
from tests.support.settings_fixtures import SAMPLE, SAMPLES

pytestmark = pytest.mark.drill

OTHERS = [file for file in SAMPLES if file != SAMPLE]


@pytest.mark.parametrize("file", OTHERS, ids=stackfile.stack_of)
def test_sample_becomes_a_lab(file: Path, tmp_path: Path, figure: Figure) -> None:
    stack, settings = stackfile.stack_of(file), Settings.read(file)
    with rehearsal(f"sample-{stack}", yaml.safe_load(file.read_text()), tmp_path) as lab:
        with timed(figure, f"sample {stack}"):
            lab.up()
        wait_until(lambda: lab.ready() == {node.name for node in settings.cluster.nodes}, "all nodes are Ready")
        if len(settings.cluster.servers) > 1:
            assert lab.voters() == {node.name for node in settings.cluster.servers}
        wrong = [found for found in check_releases(charts(settings), helm(lab)) if found.state is not State.FINE]
        assert wrong == []
        lab.up("--expect-no-changes")
        lab.succeeds("destroy", "--yes", "--skip-preview")


def charts(settings: Settings) -> list[str]:
    """Return the names of the platform's Helm releases."""
    return [name for layer in layers_of(settings) for name in layer.values()]


def helm(lab: Rehearsal) -> list[dict[str, object]]:
    """Return the Secrets in which Helm stores its releases."""
    items = yaml.safe_load(lab.kubectl("get", "secrets", "-A", "-l", "owner=helm", "-o", "yaml"))["items"]
    assert isinstance(items, list)
    return items
