"""Each sample is deployed to bare machines and destroyed; `tests/rehearsal` covers the README's sample."""

from pathlib import Path

import pytest
import yaml

from operations.checks.layer import check_releases
from operations.findings import State
from stacks import stackfile
from stacks.homelab import layers_of
from stacks.settings import LabStack
from tests.drills.measurements import Recorder, timed
from tests.rehearsal.rehearsed_lab import RehearsedLab, rehearse, wait_until
from tests.support.settings_fixtures import SAMPLE, SAMPLES

pytestmark = pytest.mark.drill

OTHERS = [file for file in SAMPLES if file != SAMPLE]


@pytest.mark.parametrize("file", OTHERS, ids=stackfile.stack_name)
def test_sample_becomes_a_lab(file: Path, tmp_path: Path, record: Recorder) -> None:
    stack, settings = stackfile.stack_name(file), LabStack.read(file)
    with rehearse(f"sample-{stack}", yaml.safe_load(file.read_text()), tmp_path) as lab:
        with timed(record, f"sample {stack}"):
            lab.up()
        wait_until(lambda: lab.ready_nodes() == {node.name for node in settings.cluster.nodes}, "all nodes are Ready")
        if len(settings.cluster.servers) > 1:
            assert lab.etcd_voters() == {node.name for node in settings.cluster.servers}
        wrong = [
            found
            for found in check_releases(release_names(settings), helm_secrets(lab))
            if found.state is not State.FINE
        ]
        assert wrong == []
        lab.up("--expect-no-changes")
        lab.pulumi_succeeds("destroy", "--yes", "--skip-preview")


def release_names(settings: LabStack) -> list[str]:
    """Return the names of the platform's Helm releases."""
    return [name for layer in layers_of(settings) for name in layer.values()]


def helm_secrets(lab: RehearsedLab) -> list[dict[str, object]]:
    """Return the Secrets in which Helm stores its releases."""
    items = yaml.safe_load(lab.kubectl("get", "secrets", "-A", "-l", "owner=helm", "-o", "yaml"))["items"]
    assert isinstance(items, list)
    return items
