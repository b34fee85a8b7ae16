"""What the real charts make of this program's values: rendered by Helm, where a chart and Helm are at hand."""

import base64
import gzip
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest

from provider.charts import contents
from tests.contracts import helm, places
from tests.contracts.cases import CASES, Case
from tests.contracts.effects import Rendered, without_effect
from tests.contracts.places import NotHereError

Json = dict[str, Any]
CHARTS = sorted({chart for case in CASES for chart in case.values})
every_chart = pytest.mark.parametrize("chart", CHARTS)
LASTING = ("Deployment", "StatefulSet", "DaemonSet")
HOST = "kubernetes.io/hostname"
SECRET = 1 << 20
SERVE_AT_ONCE = {
    "argo-cd-argocd-repo-server", "argo-cd-argocd-server", "argo-cd-redis-ha-haproxy", "cert-manager-webhook",
    "external-secrets-webhook", "harbor-core", "traefik",
    # these elect their leader without being told to
    "cilium-operator", "consul-connect-injector", "kyverno-admission-controller",
}  # fmt: skip
"""Programs that may run several times, all of which work."""


Renders = list[tuple[Case, list[Json]]]


@cache
def rendered(chart: str) -> Renders | str:
    """What the chart is in every case, or why it is not known."""
    try:
        return [(case, helm.objects(chart, case.values[chart])) for case in CASES if chart in case.values]
    except NotHereError as error:
        return str(error)


@pytest.fixture
def renders(chart: str) -> Renders:
    found = rendered(chart)
    return pytest.skip(f"{chart}: {found}") if isinstance(found, str) else found


def lasting(objects: list[Json]) -> Iterator[Json]:
    yield from (each for each in objects if each["kind"] in LASTING)


def pod(workload: Json) -> Json:
    found: Json = workload["spec"]["template"]["spec"]
    return found


@every_chart
def test_machines_can_be_drained(chart: str, renders: Renders) -> None:
    """A budget that allows no disruption holds up every drain of its machines."""
    for _, objects in renders:
        for budget in (each for each in objects if each["kind"] == "PodDisruptionBudget"):
            copies = sum(each["spec"].get("replicas", 1) for each in lasting(objects) if selected(budget, each))
            name, spec = budget["metadata"]["name"], budget["spec"]
            assert spec.get("maxUnavailable") not in (0, "0", "0%"), name
            assert not copies or spec.get("minAvailable", 0) < copies, name


def selected(budget: Json, workload: Json) -> bool:
    labels = workload["spec"]["template"]["metadata"].get("labels", {})
    return bool(budget["spec"]["selector"].get("matchLabels", {"": ""}).items() <= labels.items())


@every_chart
def test_what_runs_for_good_has_no_limit_of_the_processor(chart: str, renders: Renders) -> None:
    for _, objects in renders:
        for each in lasting(objects):
            containers = [*pod(each)["containers"], *pod(each).get("initContainers", ())]
            limited = [one["name"] for one in containers if "cpu" in (one.get("resources") or {}).get("limits", {})]
            assert not limited, each["metadata"]["name"]


@every_chart
def test_several_copies_of_an_operator_elect_a_leader(chart: str, renders: Renders) -> None:
    for _, objects in renders:
        for each in objects:
            if each["kind"] == "Deployment" and each["spec"].get("replicas", 1) > 1:
                told = [(one.get("args"), one.get("command"), one.get("env")) for one in pod(each)["containers"]]
                elects = re.search(r"leader", json.dumps(told), re.IGNORECASE)
                assert elects or each["metadata"]["name"] in SERVE_AT_ONCE, each["metadata"]["name"]


@every_chart
def test_rollouts_end_where_copies_must_be_apart(chart: str, renders: Renders) -> None:
    """With as many copies as machines, one more finds no machine, and the rollout waits for it."""
    for _, objects in renders:
        for each in objects:
            if each["kind"] == "Deployment" and must_be_apart(pod(each)) and each["spec"].get("replicas", 1) > 1:
                strategy = each["spec"].get("strategy") or {}
                rolling = strategy.get("rollingUpdate", {})
                away = amount(rolling.get("maxUnavailable", "25%"), each["spec"]["replicas"])
                assert strategy.get("type") == "Recreate" or away > 0, each["metadata"]["name"]


def must_be_apart(spec: Json) -> bool:
    wanted = ((spec.get("affinity") or {}).get("podAntiAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution", ()
    )
    return any(each.get("topologyKey") == HOST for each in wanted)


def amount(given: int | str, copies: int) -> int:
    return given if isinstance(given, int) else copies * int(given.rstrip("%")) // 100


@every_chart
def test_copies_on_their_machines_network_are_apart(chart: str, renders: Renders) -> None:
    """Two of them on one machine fight for its ports."""
    for _, objects in renders:
        for each in objects:
            if each["kind"] == "Deployment" and pod(each).get("hostNetwork") and each["spec"].get("replicas", 1) > 1:
                assert must_be_apart(pod(each)), each["metadata"]["name"]


@every_chart
def test_release_fits_into_its_secret(chart: str, renders: Renders) -> None:
    """Helm keeps chart and objects of a release in one Secret, compressed: at most 1 MiB."""
    for case, objects in renders:
        layer = case.entry.layer
        if chart in layer.crd_only_charts:
            return
        kept = [
            each for each in objects if chart not in layer.charts_with_crds_folder or each["kind"] != contents.CRD_KIND
        ]
        file = places.archive(chart)
        texts = contents.matching_files(str(file), file.read_bytes(), r"(?!.+/tests?/).+\.(ya?ml|json|tpl|txt)")
        # Helm keeps no sub-charts, but for their objects
        own = ((name, text) for name, text in texts if not name.startswith(f"{chart}/charts/"))
        parts = {name: base64.b64encode(text.encode()).decode() for name, text in own}
        whole = gzip.compress(json.dumps([parts, json.dumps(kept)]).encode(), 9)
        assert len(base64.b64encode(whole)) < 0.85 * SECRET, f"{chart} grows with each version"


@every_chart
def test_every_value_has_an_effect(chart: str) -> None:
    """A value that no template reads promises something that does not come."""
    cases = [case for case in CASES if chart in case.values]

    def render(values: Mapping[str, Any]) -> Rendered:
        return helm.objects(chart, values)

    try:
        found = without_effect(render, [case.values[chart] for case in cases])
    except NotHereError as error:
        pytest.skip(f"{chart}: {error}")
    assert not (idle := " ".join(sorted(found - NO_EFFECT.get(chart, set())))), idle


NO_EFFECT: Mapping[str, set[str]] = {
    "kube-prometheus-stack": {  # rules about what is off here, and about Windows
        f"defaultRules.rules.{name}"
        for name in ("kubeControllerManager", "kubeProxy", "kubeSchedulerAlerting", "kubeSchedulerRecording", "windows")
    },
    "loki": {"loki.storage.type", "singleBinary.podDisruptionBudget.enabled"},  # a type of its own; for several copies
    "rook-ceph-cluster": {  # as it is by default
        "cephBlockPools.*.storageClass.allowVolumeExpansion",
        "cephFileSystems.*.storageClass.allowVolumeExpansion",
    },
    "seaweedfs": {"filer.logs.type", "master.logs.type"},  # only the types that it knows make a volume
    "step-certificates": {"bootstrap.secrets"},  # of a bootstrap that is off
}
"""Values that change nothing, and why that is meant."""
