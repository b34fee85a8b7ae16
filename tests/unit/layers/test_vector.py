"""Vector: what it reads, and where that goes."""

from typing import Any

import pytest

from components.platform.layer import LabContext
from tests.support.layer_fixtures import lab, values


def configured(found: LabContext) -> Any:
    return values("vector", found)["customConfig"]


def test_everything_that_is_read_goes_to_loki() -> None:
    made = configured(lab(loki={}, vector={}))
    sent = {each for sink in made["sinks"].values() for each in sink["inputs"]}
    passed_on = {each for transform in made["transforms"].values() for each in transform["inputs"]}
    assert set(made["sources"]) | set(made["transforms"]) == sent | passed_on
    for name in ("loki_pods", "loki_journals"):
        assert made["sinks"][name]["endpoint"] == "http://loki.loki.svc:3100"
        assert made["sinks"][name]["buffer"]["type"] == "disk"


@pytest.mark.parametrize(("journals", "sources"), [(True, {"pods", "journal", "itself"}), (False, {"pods", "itself"})])
def test_journals_are_left_alone_on_demand(journals: bool, sources: set[str]) -> None:
    assert set(configured(lab(loki={}, vector={"journals": journals}))["sources"]) == sources


def test_labels_are_not_filled_in_by_the_chart() -> None:
    labels = configured(lab(loki={}, vector={}))["sinks"]["loki_pods"]["labels"]
    assert labels["namespace"] == "{{ `{{ kubernetes.pod_namespace }}` }}"
    assert labels["source"] == "pods"


def test_namespaces_are_left_out() -> None:
    pods = configured(lab(loki={}, vector={"exclude": ["a", "b"]}))["sources"]["pods"]
    assert pods["extra_field_selector"] == "metadata.namespace!=a,metadata.namespace!=b"


def test_journal_is_read_by_what_has_journalctl_and_the_id_of_the_machine() -> None:
    given = values("vector", lab(loki={}, vector={}))
    assert given["image"] == {"base": "debian"}
    mounted = {each["mountPath"] for each in given["defaultVolumeMounts"]}
    assert {"/var/log", "/run/log/journal", "/etc/machine-id"} == mounted
    assert all(each["readOnly"] for each in given["defaultVolumeMounts"])
