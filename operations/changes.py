"""`./homelab changes`: summarizes the output of `pulumi preview` as Markdown for a pull request."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from operations import console
from operations.markdown import code_block, inline_code, truncate_lines
from operations.pulumi_stack import StackError

MAX_TABLE_LENGTH, MAX_DRIFT_LENGTH = 40_000, 15_000
"""Maximum length of the table and of the drift list, in characters; GitHub limits a comment to 65,536 characters."""
MAX_CELL_CHANGES = 40
"""Maximum number of changes in one table row."""
_OWNERS = {"Node": "machine", "Layer": "layer", "App": "app"}
_ORDER = ("cluster", *_OWNERS.values())
_WORDS = {"create": "new", "delete": "deleted", "update": "changed", "replace": "replaced"}
_STEP_OPERATIONS = {"create-replacement": "replace", "delete-replaced": "replace"}
_UNKNOWN = ("04da6b54-80e4-46f7-96ec-b56ff0331ba9", "[secret]")
"""Texts that Pulumi prints instead of an unknown value and instead of a secret."""
_CHART_ARCHIVE = "homelab:index:Chart"
"""Resource type that the summary omits, because a chart's Helm release shows each change of the chart."""
Step = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """A planned change of one Pulumi resource."""

    owner: str
    label: str
    action: str
    detail: str


def changes(
    preview: Annotated[Path, typer.Argument(help="File with the output of `pulumi preview --json`.", exists=True)],
    title: Annotated[str, typer.Option(help="Heading of the summary.")] = "Planned changes",
) -> None:
    """Summarize the output of `pulumi preview --json` as Markdown: the planned changes or the errors, and drift."""
    with console.report_errors():
        typer.echo(to_markdown(_read(preview), title, drift_checked=os.environ.get("HOMELAB_DRIFT") != "off"))


def _read(file: Path) -> Mapping[str, Any]:
    try:
        preview = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        preview = None
    if not isinstance(preview, dict):
        raise StackError(
            f"The file {file} is not the output of `pulumi preview --json`: read the errors that Pulumi printed."
        )
    return preview


def to_markdown(preview: Mapping[str, Any], title: str, *, drift_checked: bool) -> str:
    """Render a parsed `pulumi preview --json` as Markdown; `drift_checked` states whether Pulumi checked for drift."""
    steps = preview.get("steps") or []
    errors = (diagnostic for diagnostic in preview.get("diagnostics") or [] if diagnostic.get("severity") == "error")
    messages = list(dict.fromkeys(map(_message, errors)))
    planned = [change for step in steps if (change := _change(step))]
    lines = [f"### {title}", ""]
    if messages:
        lines += ["**Errors: `pulumi up` would fail and change nothing.**", "", code_block("\n".join(messages))]
    elif not planned:
        lines.append("No changes: the lab matches its stack files.")
    else:
        lines += truncate_lines(_table(planned), MAX_TABLE_LENGTH)
    return "\n".join([*lines, "", *truncate_lines(_drift(steps, drift_checked), MAX_DRIFT_LENGTH)])


def _message(diagnostic: Mapping[str, Any]) -> str:
    """Remove Pulumi's prefix `error: ` from an error message, so that the summary can drop duplicate messages."""
    text = str(diagnostic.get("message", "")).strip().removeprefix("error: ")
    return text.removeprefix("an unhandled error occurred: ")


def _change(step: Step) -> Change | None:
    operation = _STEP_OPERATIONS.get(step["op"], step["op"])
    kind, name = _type_and_name(step["urn"])
    if operation not in _WORDS or "homelab:components" in kind or kind.startswith("pulumi:") or kind == _CHART_ARCHIVE:
        return None
    state = step.get("newState") or step.get("oldState") or {}
    owner_kind, owner = _type_and_name(state.get("parent", "")) if state.get("parent") else ("", "")
    owner_word = _OWNERS.get(owner_kind.rpartition(":")[2])
    role = name.removeprefix(f"{owner}-") if owner_word else name
    object_kind = kind.rpartition(":")[2].lower() if kind.startswith("kubernetes:") else ""
    label = role if role.startswith(object_kind) else f"{object_kind} {role}"
    detail = _detail(step) if operation in ("update", "replace") else ""
    return Change(f"{owner_word} {owner}" if owner_word else "cluster", label, _WORDS[operation], detail)


def _type_and_name(urn: str) -> tuple[str, str]:
    """Extract the type and the name of a Pulumi resource from the resource's URN."""
    _, _, types, name = urn.split("::", 3)
    return types.rpartition("$")[2], name


def _detail(step: Step) -> str:
    """List the names of a resource's changed properties; after the name `version`, add the old and the new version."""
    old, new = ((step.get(state) or {}).get("inputs") or {} for state in ("oldState", "newState"))
    differing = [key for key in step.get("diffReasons") or _differing(old, new) if key not in ("digest", "drift")]
    return ", ".join(dict.fromkeys(part for key in differing for part in _parts(key, old.get(key), new.get(key))))


def _parts(key: str, old: Any, new: Any) -> Iterator[str]:
    if key == "version":
        yield f"version {_shown(old)} → {_shown(new)}"
    elif key in ("variables", "values") and isinstance(old, Mapping) and isinstance(new, Mapping):
        for inner in _differing(old, new):
            version = inner == "VERSION"
            yield f"{inner} {_shown(old.get(inner))} → {_shown(new.get(inner))}" if version else inner
    else:
        yield key


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]


def _shown(value: Any) -> str:
    return "?" if value is None or isinstance(value, Mapping) or value in _UNKNOWN else str(value)


def _table(planned: Iterable[Change]) -> Iterator[str]:
    """Yield the lines of a Markdown table that summarizes planned changes, with one row per machine, layer and app."""
    owners: dict[str, list[Change]] = {}
    for change in planned:
        owners.setdefault(change.owner, []).append(change)
    yield from ("| Resource | Change | Details |", "| --- | --- | --- |")
    for owner in sorted(owners, key=lambda name: (_ORDER.index(name.partition(" ")[0]), name)):
        words = dict.fromkeys(change.action for change in owners[owner])
        word = next(iter(words)) if len(words) == 1 else "changed"
        details = list(dict.fromkeys(_cell(change, word) for change in owners[owner]))
        more = [f"and {len(details) - MAX_CELL_CHANGES} more"] if len(details) > MAX_CELL_CHANGES else []
        bold = f"**{word}**" if word in ("deleted", "replaced") else word
        kind, _, name = owner.partition(" ")
        resource = f"{kind} {inline_code(name)}" if name else kind
        yield f"| {resource} | {bold} | {'; '.join([*details[:MAX_CELL_CHANGES], *more])} |"


def _cell(change: Change, word: str) -> str:
    own = f"{change.action} " if change.action != word else ""
    detail = f" ({change.detail})" if change.detail else ""
    return own + inline_code(change.label + detail)


def _drift(steps: Iterable[Step], drift_checked: bool) -> Iterator[str]:
    if not drift_checked:
        yield "Pulumi did not check the machines for drift, so this summary lacks manual changes on the machines."
        return
    states = (step.get("newState") or {} for step in steps)
    drifted = [(state["urn"], state["inputs"]) for state in states if (state.get("inputs") or {}).get("drift")]
    if drifted:
        yield "**Drift: manual changes on the machines**, which the next `pulumi up` reverts:"
        yield ""
    for urn, inputs in drifted:
        name = (inputs.get("machine") or {}).get("name") or _type_and_name(urn)[1]
        yield f"- {inline_code(name)}: {inline_code(inputs['drift'])}"
