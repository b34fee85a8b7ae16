"""The samples: stack files that are valid as they are, for labs of one machine and more."""

import re
from pathlib import Path

import pytest

from stacks import stackfile
from stacks.settings import LabStack
from tests.support.settings_fixtures import ROOT, SAMPLES

SIZES = {"homelab": (3, 3), "one": (1, 0), "three": (3, 0), "amd64": (3, 2), "full": (3, 3)}
KEYS = {"metallb", "certManager", "traefik", "argocd"}


def test_samples_are_these() -> None:
    assert {stackfile.stack_name(file) for file in SAMPLES} == set(SIZES)


@pytest.mark.parametrize("file", SAMPLES, ids=stackfile.stack_name)
def test_sample_is_valid(file: Path) -> None:
    found = LabStack.read(file)
    assert (len(found.cluster.servers), len(found.cluster.agents)) == SIZES[stackfile.stack_name(file)]
    assert set(found.platform.enabled_layers()) >= KEYS
    assert stackfile.read(file)[1] == set(), "a sample needs no secret before it is valid"
    assert bool(found.cluster.api.vip) == (len(found.cluster.servers) > 1)
    assert ("longhorn" in found.platform.enabled_layers()) == (len(found.cluster.nodes) > 1)


@pytest.mark.parametrize("file", SAMPLES, ids=stackfile.stack_name)
def test_sample_leads_an_editor_to_the_schema(file: Path) -> None:
    found = re.match(r"# yaml-language-server: \$schema=(\S+)\n# ", file.read_text())
    assert found
    assert (file.parent / found[1]).resolve() == ROOT / "homelab.schema.json"


def test_no_two_machines_share_a_key() -> None:
    keys = [node.host_key for file in SAMPLES for node in LabStack.read(file).cluster.nodes]
    assert len(set(keys)) == len(keys)


def test_the_lab_of_pcs_has_nothing_else() -> None:
    found = LabStack.read(ROOT / "samples/Pulumi.amd64.yaml").cluster
    assert {node.arch for node in found.nodes} == {"amd64"}


def test_the_page_lists_every_sample() -> None:
    page = (ROOT / "samples/README.md").read_text()
    for file in SAMPLES:
        assert f"[{file.name}](" in page
