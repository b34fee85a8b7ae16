"""The schema for editors and the reference are made from the models, and are in step with them."""

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML

from components.settings.model import Model, camel_case
from stacks import reference, schema
from stacks.descriptions import entry_model, field_descriptions
from stacks.validation_errors import is_model
from tests.support.app_stacks import APPS, SEVERAL_APPS
from tests.support.settings_fixtures import SAMPLE, SAMPLES, VALID

SCHEMA = schema.build_schema()
OPEN = "AppsSectionSettings"
"""The model with entries under any key."""
TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}


def models(kind: Any) -> Iterator[type[Model]]:
    """Yield every settings model that can be reached, found in another way than the generators do."""
    if is_model(kind):
        yield kind
        for inner in (*(field.annotation for field in kind.model_fields.values()), entry_model(kind)):
            yield from models(inner)
    else:
        for inner in getattr(kind, "__args__", ()):
            yield from models(inner)


MODELS = sorted({each for kind in schema.SECTIONS.values() for each in models(kind)}, key=lambda model: model.__name__)
PAGES = {page: (reference.DOCS / page).read_text() for page in reference.PAGES}


def faults(value: Any, rule: dict[str, Any], place: str = "") -> Iterator[str]:
    """Yield where `value` breaks a JSON Schema, as far as our schema uses that language."""
    if "$ref" in rule:
        yield from faults(value, SCHEMA["$defs"][rule["$ref"].rpartition("/")[2]], place)
    if "anyOf" in rule and all(list(faults(value, each)) for each in rule["anyOf"]):
        yield f"{place}: none of the alternatives"
    if "type" in rule and (
        not isinstance(value, TYPES[rule["type"]])
        or (isinstance(value, bool) and rule["type"] in ("integer", "number"))
    ):
        yield f"{place}: not {rule['type']}"
    elif isinstance(value, dict):
        yield from faults_inside(value, rule, place)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from faults(item, rule.get("items", {}), f"{place}[{index}]")
    elif isinstance(value, str) and not re.search(rule.get("pattern", ""), value):
        yield f"{place}: not like {rule['pattern']}"
    if value not in rule.get("enum", [value]):
        yield f"{place}: not one of {rule['enum']}"
    if isinstance(value, int) and not rule.get("minimum", value) <= value <= rule.get("maximum", value):
        yield f"{place}: out of bounds"


def faults_inside(value: dict[str, Any], rule: dict[str, Any], place: str) -> Iterator[str]:
    yield from (f"{place}.{key}: missing" for key in rule.get("required", []) if key not in value)
    for key, inner in value.items():
        known = [rule["properties"][key]] if key in rule.get("properties", {}) else []
        known += [sub for pattern, sub in rule.get("patternProperties", {}).items() if re.search(pattern, key)]
        extra = rule.get("additionalProperties", True)
        if not known and extra is False:
            yield f"{place}.{key}: unknown"
        for sub in known or ([extra] if isinstance(extra, dict) else []):
            yield from faults(inner, sub, f"{place}.{key}")


def load(file: Any) -> Any:
    return YAML(typ="safe", pure=True).load(file)


@pytest.mark.parametrize("file", [*VALID, *SAMPLES, *APPS, SEVERAL_APPS], ids=lambda file: file.stem)
def test_valid_file_fits_the_schema(file: Any) -> None:
    assert list(faults(load(file), SCHEMA)) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("domian", "lab.example.com"),
        ("domain", 5),
        ("domain", "Lab"),
        ("maxUnavailable", 0),
        ("api", {"vip": "10.0.0.240", "by": "haproxy"}),
        ("ssh", {"user": "pi", "privateKey": "text"}),
        ("ssh", {"agent": True}),
        ("nodes", [{"name": "a"}]),
    ],
)
def test_schema_refuses_what_an_editor_can_see(key: str, value: Any) -> None:
    document = copy.deepcopy(load(SAMPLE))
    document["config"]["homelab:cluster"][key] = value
    assert list(faults(document, SCHEMA))


def test_schema_wants_secrets_encrypted() -> None:
    document = load(SAMPLE)
    document["config"]["homelab:sshKey"] = "in clear"
    assert list(faults(document, SCHEMA)) == [".config.homelab:sshKey: not object"]


def test_every_model_is_closed_in_the_schema() -> None:
    assert {model.__name__ for model in MODELS} == set(SCHEMA["$defs"])
    for name, rule in SCHEMA["$defs"].items():
        assert rule["additionalProperties"] == ({"$ref": "#/$defs/AppSettings"} if name == OPEN else False), name
        assert rule["description"], name


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_is_described_and_has_its_place_in_the_reference(model: type[Model]) -> None:
    pages = "\n".join(PAGES.values())
    described = SCHEMA["$defs"][model.__name__]["properties"]
    for name, meaning in field_descriptions(model).items():
        assert meaning, name
        assert described[camel_case(name)]["description"] == meaning
        assert re.search(rf"^\| `{camel_case(name)}` \| .*\| {re.escape(meaning)} \|$", pages, re.MULTILINE), name


def test_files_are_as_generated() -> None:
    assert schema.FILE.read_text() == schema.schema_text(), "run python -m stacks.schema"
    for name, page in PAGES.items():
        assert page == reference.page_text(name), "run python -m stacks.reference"


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_links_of_the_reference_lead_somewhere(page: str) -> None:
    places = {
        re.sub(r"[^\w\- ]", "", line).strip().replace(" ", "-").lower()
        for line in re.findall(r"^## (.*)", page, re.MULTILINE)
    }
    assert set(re.findall(r"\(#([^)]*)\)", page)) <= places
