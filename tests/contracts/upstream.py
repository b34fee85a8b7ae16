"""What the authors of charts publish: default values, schemas, CRDs. It is kept beside the repository."""

import copy
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.settings_fixtures import ROOT

FOLDER = ROOT.parent.joinpath("shared", "upstream")
REASON = f"the files of the charts are not there: {FOLDER.name} beside the repository"
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # some files are megabytes


def has(chart: str) -> bool:
    """Whether the files of a chart are there."""
    return (FOLDER / chart).is_dir()


@cache
def values(chart: str) -> dict[str, Any]:
    """The default values of a chart, those of its sub-charts under their names."""
    return _values(FOLDER / chart)


def _values(folder: Path) -> dict[str, Any]:
    own = _load(folder / "values.yaml") or {}
    subs = {sub.name: _values(sub) for sub in sorted(folder.glob("charts/*"))}
    return merged(subs, own)


@cache
def schema(chart: str) -> Mapping[str, Any] | None:
    """The schema of a chart's values, None where it has none."""
    file = FOLDER / chart / "values.schema.json"
    found: Mapping[str, Any] | None = json.loads(file.read_text()) if file.exists() else None
    return found


@cache
def crd(group: str, kind: str) -> Mapping[str, Any]:
    """The CRD of a kind. KeyError: no chart has it."""
    (found, *_) = _crds()[f"{group}/{kind}"]
    definition: Mapping[str, Any] = _load(FOLDER / found["file"])
    return definition


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
def _crds() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((FOLDER / "crds.json").read_text())
    return found


def has_kind(object_: Mapping[str, Any]) -> bool:
    """Whether the CRD of a custom resource is there."""
    return f"{str(object_['apiVersion']).partition('/')[0]}/{object_['kind']}" in _crds()


def _load(file: Path) -> Any:
    return yaml.load(file.read_text(), Loader)
