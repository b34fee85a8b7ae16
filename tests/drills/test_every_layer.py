"""All layers of the catalog at once, with their default settings of `tests/contracts`: install, keep, remove."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from bench.labs import stack_document
from stacks.catalog import LAYERS
from tests.contracts.cases import CASES, secrets_of
from tests.drills.measurements import Recorder, timed
from tests.rehearsal.rehearsed_lab import RehearsedLab, rehearse

pytestmark = pytest.mark.drill

LEFT_OUT = {
    "calico": "replaces K3s' own pod network, which the rehearsal's pods need",
    "cilium": "replaces K3s' own pod network, which the rehearsal's pods need",
    "gpu": "needs a GPU",
    "zfs": "needs a kernel with ZFS, and installs a second snapshot controller besides snapshotController",
    "rookCeph": "requires disks, which simulated machines do not have",
    "nomad": "downloads Nomad from the Internet, which the rehearsal's machines cannot reach",
}
"""Layers that cannot be installed with the others on simulated machines, and the reasons."""
ROWS = [entry for entry in LAYERS if entry.layer.key not in LEFT_OUT]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    document = stack_document(1, 2)
    config = document["config"]
    config["homelab:platform"] = platform()
    secrets = secrets_of(config["homelab:platform"])
    config |= {f"homelab:{name}": {"secure": "v1:c2FtcGxl:c2FtcGxl"} for name in secrets}
    with rehearse("everything", document, tmp_path_factory.mktemp("everything")) as found:
        yield found


def platform() -> dict[str, Any]:
    """Return the settings of all default cases, and of the other layers that the cases need."""
    cases = [case for case in CASES if case.name.endswith("-default") and case.key not in LEFT_OUT]
    given = [yaml.safe_load(case.file.read_text()) for case in cases]
    beside = {key: settings for each in given for key, settings in each.get("beside", {}).items()}
    own = {case.key: each["settings"] for case, each in zip(cases, given, strict=True)}
    return beside | own | {"metallb": {"addresses": ["10.9.0.200-10.9.0.220"]}}


def namespaces(lab: RehearsedLab) -> set[str]:
    return {each.removeprefix("namespace/") for each in lab.kubectl("get", "namespaces", "-o", "name").split()}


def test_all_layers_are_deployed(lab: RehearsedLab, record: Recorder) -> None:
    assert [entry.layer.key for entry in ROWS if entry.layer.key not in platform()] == []
    with timed(record, f"{len(ROWS)} layers at once, from bare machines"):
        lab.up()
    secrets = yaml.safe_load(lab.kubectl("get", "secrets", "-A", "-l", "owner=helm", "-o", "yaml"))["items"]
    status = {each["metadata"]["labels"]["name"]: each["metadata"]["labels"]["status"] for each in secrets}
    layers = (
        entry.layer(lab.session.settings.platform.enabled_layers()[entry.layer.key], lab_of(lab)) for entry in ROWS
    )
    assert status == {chart: "deployed" for layer in layers for chart in layer.values()}


def lab_of(lab: RehearsedLab) -> Any:
    settings = lab.session.settings
    return settings.platform.lab(settings.cluster)


def test_second_up_changes_nothing(lab: RehearsedLab) -> None:
    assert re.search(r"Resources:\n +\d+ unchanged\n", lab.up())


def test_all_layers_are_removed(lab: RehearsedLab, record: Recorder) -> None:
    config = lab.document["config"]
    for name in secrets_of(config["homelab:platform"]):
        config.pop(f"homelab:{name}", None)
    config["homelab:platform"] = {"discard": ["certManager"]}
    lab.reopen()
    with timed(record, f"{len(ROWS)} layers removed"):
        lab.up()
    own = {entry.layer.namespace for entry in ROWS if entry.layer.owns_namespace}
    assert namespaces(lab) & own == set()
