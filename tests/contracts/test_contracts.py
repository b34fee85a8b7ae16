"""Contracts with the charts: their values, their custom resources, in every case of `tests/contracts/cases`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from components.kubernetes.manifest import is_custom_resource
from components.settings.model import Model, SecretRef
from stacks.catalog import LAYERS
from tests.contracts import charts, objects, schemas, snapshots, upstream
from tests.contracts.cases import CASES, FILES, Case
from tests.contracts.mutations import lacking, misspelt, mistyped
from tests.contracts.schemas import Place

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def listed(problems: Any) -> list[str]:
    return [f"{'.'.join(map(str, place))} {reason}" for place, reason in problems]


@every_case
def test_charts_take_the_values(case: Case) -> None:
    assert case.values.keys() <= {chart.name for chart in case.entry.charts}
    with known_charts(case) as known:
        for chart in known:
            assert listed(charts.problems(chart, case.values[chart])) == [], chart


@contextmanager
def known_charts(case: Case) -> Iterator[list[str]]:
    """The charts of a case whose files are there; the test is called skipped at its end if others are not."""
    missing = [chart for chart in case.values if not upstream.has(chart)]
    yield [chart for chart in case.values if chart not in missing]
    if missing:
        pytest.skip(f"not there: {', '.join(map(upstream.missing, missing))}")


@every_case
def test_api_takes_the_objects(case: Case) -> None:
    with known_charts(case):
        for each in checkable(case):
            assert listed(objects.problems(each)) == [], f"{each['kind']} {each['metadata']['name']}"


def checkable(case: Case) -> Iterator[dict[str, Any]]:
    """All objects but custom resources of charts whose files are not there."""
    yield from (each for each in case.objects if not is_custom_resource(each) or upstream.has_kind(each))


@every_case
def test_custom_resources_hold_no_secrets(case: Case) -> None:
    """The gate shows them to the API before they are made, and everybody may read them afterwards."""
    custom = [each for each in case.layer.objects_after_charts() if is_custom_resource(each)]
    assert json.loads(json.dumps(custom)) == custom


@every_case
def test_snapshot_is_what_is_rendered(case: Case) -> None:
    """A difference that is meant: `python -m tests.contracts.snapshots`."""
    assert snapshots.text(case) == snapshots.file(case).read_text()


def test_every_file_has_its_layer() -> None:
    assert [case.file for case in CASES] == FILES
    assert set(snapshots.FOLDER.glob("*.yaml")) == {snapshots.file(case) for case in CASES}


@every_case
def test_misspelt_and_mistyped_values_are_noticed(case: Case) -> None:
    with known_charts(case) as known:
        for chart in known:
            for place, broken in (*misspelt(case.values[chart]), *mistyped(case.values[chart])):
                assert left_free(chart, place) or listed(charts.problems(chart, broken)), f"{chart}: {place}"


def left_free(chart: str, place: Place) -> bool:
    """Whether nothing is known of a value, neither by the chart nor by `open.yaml`."""
    known = [(end, charts.opened(chart, place[:end])) for end in range(1, len(place))]
    return any(objects.is_open(schema, place[end:]) for end, schema in known if schema is not None)


@every_case
def test_misspelt_mistyped_and_missing_fields_are_noticed(case: Case) -> None:
    for each in checkable(case):
        if is_custom_resource(each):
            schema = objects.schema_of(each)
            for place, broken in (*misspelt(each), *mistyped(each)):
                free = place[0] == "metadata" or objects.is_open(schema, place)
                assert free or listed(objects.problems(broken)), f"{each['kind']}: {place}"
            for place, broken in lacking(each, schema):
                assert listed(objects.problems(broken)), f"{each['kind']}: {place}"


@pytest.mark.parametrize("entry", LAYERS, ids=lambda entry: entry.layer.key)
def test_every_setting_is_set_in_a_case(entry: Any) -> None:
    cases = [case for case in CASES if case.key == entry.layer.key]
    used = {field for case in cases for field in fields_set(case.layer.settings)}
    assert set(fields_of(entry.layer.settings_type)) <= used
    assert f"{entry.layer.key}-default" in [case.name for case in cases]


def fields_of(model: type[Model]) -> Iterator[str]:
    """Fields of a model and of those below it."""
    for name, field in model.model_fields.items():
        yield f"{model.__name__}.{name}"
        for inner in models_in(field.annotation):
            yield from fields_of(inner)


def models_in(kind: Any) -> Iterator[type[Model]]:
    if isinstance(kind, type) and issubclass(kind, Model) and kind is not SecretRef:
        yield kind
    for inner in getattr(kind, "__args__", ()):
        yield from models_in(inner)


def fields_set(value: Any) -> Iterator[str]:
    """Fields that were given a value other than their default."""
    if isinstance(value, Model):
        for name, field in type(value).model_fields.items():
            given = getattr(value, name)
            if name in value.model_fields_set and given != field.get_default(call_default_factory=True):
                yield f"{type(value).__name__}.{name}"
            yield from fields_set(given)
    elif isinstance(value, dict | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from fields_set(inner)


@pytest.mark.parametrize("entry", LAYERS, ids=lambda entry: entry.layer.key)
def test_what_is_published_here_is_what_is_installed(entry: Any) -> None:
    for chart in filter(lambda each: upstream.has(each.name), entry.charts):
        assert upstream.version(chart.name).removeprefix("v") == chart.version.removeprefix("v"), chart.name


TEXT = {
    "type": "object",
    "required": ["a"],
    "properties": {"a": {"type": "string", "pattern": "^x", "enum": ["x", "xy"]}},
}


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (TEXT, {"a": "x"}, [{}, {"a": "xz"}, {"a": 1}, {"a": "x", "b": 1}, [], None, {"a": None}]),
        ({"type": "integer", "minimum": 1, "maximum": 3}, 2, [0, 4, True, 1.5, "2"]),
        (
            {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
            "10%",
            [1.5, True, []],
        ),
        ({"type": "array", "items": TEXT, "maxItems": 1}, [{"a": "x"}], [[{}], [{"a": "x"}] * 2, {}]),
        ({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}, ["a"], [["a", "a"]]),
        ({"type": "object", "additionalProperties": {"type": "string"}}, {"b": "c"}, [{"b": 1}]),
        ({"type": "object"}, {}, [{"a": 1}]),
        ({"type": "object", "x-kubernetes-preserve-unknown-fields": True}, {"a": 1}, [[]]),
        ({"type": "string", "nullable": True}, None, [1]),
        (
            {"oneOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object", "additionalProperties": {}},
            {"a": 1},
            [{}, {"a": 1, "b": 1}],
        ),
        ({"additionalProperties": {}, "dependencies": {"a": {"required": ["b"]}}}, {"a": 1, "b": 1}, [{"a": 1}]),
        ({"not": {"type": "string"}, "allOf": [{"maximum": 3}]}, 3, ["x", 4]),
    ],
)
def test_validator(schema: dict[str, Any], good: Any, bad: list[Any]) -> None:
    validator = schemas.Validator(schema, closed=True)
    assert list(validator.problems(good)) == []
    for value in bad:
        assert list(validator.problems(value)), value


def test_validator_passes_nothing_over() -> None:
    with pytest.raises(AssertionError, match="propertyNames"):
        list(schemas.Validator({"propertyNames": {}}).problems({}))
