"""JSON Schema of stack files for editors, which `python -m stacks.schema` writes to `homelab.schema.json`."""

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import ModelSchema

from components.settings.model import NAMESPACE, camel_case
from stacks.descriptions import field_descriptions
from stacks.settings import APP_SECTIONS, LAB_SECTIONS, STACK_DEFAULTS

FILE = Path(__file__).parent.parent / "homelab.schema.json"
SECTIONS = {section.key: section.model for section in (*LAB_SECTIONS, *APP_SECTIONS)}


def build_schema() -> dict[str, Any]:
    """Return the JSON Schema of a complete stack file, `Pulumi.<stack>.yaml`."""
    definitions: dict[str, Any] = {}
    for model in SECTIONS.values():
        model_schema = model.model_json_schema(schema_generator=_WithDescriptions)
        definitions |= model_schema.pop("$defs", {}) | {model.__name__: model_schema}
    for model, filled_in in STACK_DEFAULTS:
        definition = definitions[model.__name__]
        definition["required"] = [key for key in definition.get("required", []) if key != filled_in]
    secret = {
        "description": "A Pulumi secret of the stack, which `pulumi config set --secret NAME` stores.",
        "type": "object",
        "properties": {"secure": {"type": "string"}},
        "required": ["secure"],
        "additionalProperties": False,
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A stack of homelab",
        "type": "object",
        "properties": {
            "config": {
                "description": "Configuration of the stack.",
                "type": "object",
                "properties": {
                    f"{NAMESPACE}:{key}": {"$ref": f"#/$defs/{model.__name__}"} for key, model in SECTIONS.items()
                },
                "patternProperties": {f"^{NAMESPACE}:(?!({'|'.join(SECTIONS)})$)": secret},
                "anyOf": [
                    {"required": [f"{NAMESPACE}:{section.key}"]}
                    for section in (*LAB_SECTIONS, *APP_SECTIONS)
                    if section.missing_fix
                ],
            }
        },
        "required": ["config"],
        "$defs": {name: _compact(definition) for name, definition in sorted(definitions.items())},
    }


class _WithDescriptions(GenerateJsonSchema):
    """JSON Schema generator that adds the description of each setting."""

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        definition = super().model_schema(schema)
        for name, meaning in field_descriptions(schema["cls"]).items():
            definition["properties"][camel_case(name)]["description"] = meaning
        return definition


def _compact(node: Any) -> Any:
    """Remove titles, empty defaults and nested defaults from a JSON Schema, because editors do not use them."""
    if isinstance(node, list):
        return [_compact(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _compact(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str))
        and not (key == "default" and (value in (None, []) or isinstance(value, dict)))
    }


def schema_text() -> str:
    """Return the content of the file `homelab.schema.json`."""
    return json.dumps(build_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(schema_text(), encoding="utf-8")
