"""What the authors of charts publish: default values, schemas, CRDs. Out of the charts themselves, or of a folder."""

import copy
import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest
import yaml

from operations.render import RenderError
from provider.charts import contents
from tests.contracts import helm, places
from tests.contracts.cases import CASES
from tests.contracts.places import NotHereError
from tests.support.settings_fixtures import ROOT

FOLDER = ROOT.parent.joinpath("shared", "upstream")
"""One more place: values, schemas and CRDs without the charts."""
GROUPS = {
    "argoproj.io": "argo-cd argo-rollouts", "barmancloud.cnpg.io": "plugin-barman-cloud",
    "bitnami.com": "sealed-secrets",
    "cassandra.datastax.com": "k8ssandra-operator", "ceph.rook.io": "rook-ceph", "csi.ceph.io": "rook-ceph",
    "cert-manager.io": "cert-manager",
    "certmanager.step.sm": "step-issuer", "consul.hashicorp.com": "consul", "external-secrets.io": "external-secrets",
    "externaldns.k8s.io": "external-dns", "frrk8s.metallb.io": "metallb", "k8ssandra.io": "k8ssandra-operator",
    "kafka.strimzi.io": "strimzi-kafka-operator", "longhorn.io": "longhorn", "metallb.io": "metallb",
    "monitoring.coreos.com": "prometheus-operator-crds", "objectbucket.io": "rook-ceph",
    "policies.kyverno.io": "kyverno", "postgresql.cnpg.io": "cloudnative-pg", "ray.io": "kuberay-operator",
    "snapshot.storage.k8s.io": "zfs-localpv", "traefik.io": "traefik", "velero.io": "velero",
}  # fmt: skip
"""Which charts have the CRDs of a group."""
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # some files are megabytes


def has(chart: str) -> bool:
    """Whether the files of a chart are there."""
    return bool(_texts(chart))


def missing(chart: str) -> str:
    """Why they are not."""
    return f"{chart} ({places.looked_for(chart)}; nor is it in {FOLDER.relative_to(ROOT.parent)} beside the project)"


@cache
def values(chart: str) -> dict[str, Any]:
    """The default values of a chart, those of its sub-charts under their names."""
    return _values(_texts(chart), "")


def _values(texts: Mapping[str, str], folder: str) -> dict[str, Any]:
    own = _load(texts.get(f"{folder}values.yaml", "")) or {}
    names = {path[len(folder) :].split("/")[1] for path in texts if path.startswith(f"{folder}charts/")}
    subs = {name: _values(texts, f"{folder}charts/{name}/") for name in sorted(names)}
    return merged(subs, own)


@cache
def schema(chart: str) -> Mapping[str, Any] | None:
    """The schema of a chart's values, None where it has none."""
    text = _texts(chart).get("values.schema.json")
    found: Mapping[str, Any] | None = json.loads(text) if text else None
    return found


def version(chart: str) -> str:
    """The version that the chart says it has."""
    return str(_load(_texts(chart)["Chart.yaml"])["version"])


@cache
def _texts(chart: str) -> dict[str, str]:
    """Files of the chart and its sub-charts by their path in it; none if they are not there."""
    try:
        file = places.archive(chart)
    except NotHereError:
        folder = FOLDER / chart
        names = ("values.yaml", "values.schema.json", "Chart.yaml")
        return {str(each.relative_to(folder)): each.read_text() for name in names for each in folder.rglob(name)}
    wanted = rf"{chart}(/charts/[^/]+)*/(values\.yaml|values\.schema\.json|Chart\.yaml)"
    found = contents.matching_files(str(file), file.read_bytes(), wanted)
    return {name.removeprefix(f"{chart}/"): text for name, text in found}


def crd(group: str, kind: str) -> Mapping[str, Any]:
    """The CRD of a kind. KeyError: no chart that is there has it."""
    for chart in GROUPS.get(group, "").split():
        if found := _crds_of(chart).get((group, kind)):
            return found
    (known, *_) = _listed()[f"{group}/{kind}"]
    return _of_file(str(known["file"]))


@cache
def _of_file(file: str) -> Mapping[str, Any]:
    definition: Mapping[str, Any] = _load((FOLDER / file).read_text())
    return definition


@cache
def _crds_of(chart: str) -> Mapping[tuple[str, str], Mapping[str, Any]]:
    """The CRDs in the archive of a chart, if it is there, and Helm if they are among templates."""
    try:
        file = places.archive(chart)
        found = [each for each in _definitions(chart, file) if each.get("kind") == contents.CRD_KIND]
    except (NotHereError, RenderError):
        return {}
    return {(each["spec"]["group"], each["spec"]["names"]["kind"]): each for each in found}


def _definitions(chart: str, file: Any) -> Iterator[Any]:
    plain = rf"{chart}(/charts/[^/]+)*/crds/.+\.(ya?ml|json)"
    case = next(case for case in CASES if chart in case.values and case.name.endswith("-default"))
    if chart in case.entry.layer.charts_with_crds_folder or chart in case.entry.layer.crd_only_charts:
        yield from yaml.load_all(contents.crds_of_archive(chart, str(file), file.read_bytes()), Loader)
        return
    yield from (each for _, text in contents.matching_files(str(file), file.read_bytes(), plain) for each in _all(text))
    yield from helm.objects(chart, case.values[chart])


def _all(text: str) -> Iterator[Any]:
    yield from (each for each in yaml.load_all(text, Loader) if each)


def object_schema(api_version: str, kind: str) -> Mapping[str, Any]:
    """The schema of a version of a kind. KeyError: it is not known or not served."""
    group, _, version = api_version.partition("/")
    served = {each["name"]: each for each in crd(group, kind)["spec"]["versions"] if each["served"]}
    found: Mapping[str, Any] = served[version]["schema"]["openAPIV3Schema"]
    return found


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay values over others as Helm does: mappings key by key, and null takes away."""
    result = copy.deepcopy(dict(under))
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merged(result[key], value)
        elif value is None and key in result:
            del result[key]
        else:
            result[key] = copy.deepcopy(value)
    return result


@cache
def _listed() -> Mapping[str, Any]:
    file = FOLDER / "crds.json"
    found: Mapping[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    return found


def has_kind(object_: Mapping[str, Any]) -> bool:
    """Whether the CRD of a custom resource is there."""
    try:
        crd(str(object_["apiVersion"]).partition("/")[0], str(object_["kind"]))
    except KeyError:
        return False
    return True


def need(object_: Mapping[str, Any]) -> None:
    """Call the test skipped, by chart and reason, where the CRD of a custom resource is not there."""
    if not has_kind(object_):
        names = GROUPS.get(str(object_["apiVersion"]).partition("/")[0], "").split()
        pytest.skip(f"no CRD of {object_['kind']}; not there: {', '.join(map(missing, names))}")


def _load(text: str) -> Any:
    return yaml.load(text, Loader)
