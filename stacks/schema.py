"""The JSON Schema of a stack file, for editors: `python -m stacks.schema` writes `homelab.schema.json`."""

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import ModelSchema

from components.model import NAMESPACE, camel
from stacks.meanings import meanings
from stacks.settings import APP, FILLED_IN, LAB

FILE = Path(__file__).parent.parent / "homelab.schema.json"
SECTIONS = {section.key: section.model for section in (*LAB, *APP)}


def schema() -> dict[str, Any]:
    """Return the schema of a whole `Pulumi.<stack>.yaml`."""
    kinds: dict[str, Any] = {}
    for model in SECTIONS.values():
        made = model.model_json_schema(schema_generator=_Explained)
        kinds |= made.pop("$defs", {}) | {model.__name__: made}
    for model, optional in FILLED_IN:
        kind = kinds[model.__name__]
        kind["required"] = [key for key in kind.get("required", []) if key != optional]
    secret = {
        "description": "A secret of the stack, set with `pulumi config set --secret NAME`.",
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
                "anyOf": [{"required": [f"{NAMESPACE}:{section.key}"]} for section in (*LAB, *APP) if section.advice],
            }
        },
        "required": ["config"],
        "$defs": {name: _brief(kind) for name, kind in sorted(kinds.items())},
    }


class _Explained(GenerateJsonSchema):
    """Says of each field what it means."""

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        for name, meaning in meanings(schema["cls"]).items():
            made["properties"][camel(name)]["description"] = meaning
        return made


def _brief(node: Any) -> Any:
    """Drop what says nothing to an editor: titles made of names, and defaults that are empty or whole models."""
    if isinstance(node, list):
        return [_brief(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _brief(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str))
        and not (key == "default" and (value in (None, []) or isinstance(value, dict)))
    }


def text() -> str:
    """Return what the file holds."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
