"""`./homelab changes`: what a preview says, by machine, layer and app, as Markdown for a pull request."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from operations import talk
from operations.markdown import block, code, fitting
from operations.stack import StackError

ROWS, DRIFT = 40_000, 15_000
"""Characters of the table, and of what was changed by hand; a comment on GitHub may have 65,536 in all."""
CELL = 40
"""Changes that one row tells."""
_OWNERS = {"Node": "machine", "Layer": "layer", "App": "app"}
_ORDER = ("cluster", *_OWNERS.values())
_WORDS = {"create": "new", "delete": "gone", "update": "changed", "replace": "replaced"}
_PARTS = {"create-replacement": "replace", "delete-replaced": "replace"}
_UNKNOWN = ("04da6b54-80e4-46f7-96ec-b56ff0331ba9", "[secret]")
"""What Pulumi prints where a value is not known yet, or not to be seen."""
_ARCHIVE = "homelab:index:Chart"
"""What is new in it, its release tells."""
Step = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """One resource that would not stay as it is."""

    owner: str
    what: str
    word: str
    detail: str


def changes(
    preview: Annotated[Path, typer.Argument(help="What `pulumi preview --json` printed.", exists=True)],
    title: Annotated[str, typer.Option(help="Heading.")] = "What this would change",
) -> None:
    """Say in Markdown what a preview would change on which machine, layer and app; drift; what is refused."""
    with talk.guarded():
        typer.echo(markdown(_read(preview), title, looked=os.environ.get("HOMELAB_DRIFT") != "off"))


def _read(file: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise StackError(f"{file} is not what `pulumi preview --json` prints: see what Pulumi said besides.")
    return found


def markdown(preview: Mapping[str, Any], title: str, *, looked: bool) -> str:
    """The preview as Markdown; `looked` says whether machines were compared with what was done to them."""
    steps = preview.get("steps") or []
    errors = (each for each in preview.get("diagnostics") or [] if each.get("severity") == "error")
    refused = list(dict.fromkeys(map(_message, errors)))
    found = [change for step in steps if (change := _change(step))]
    lines = [f"### {title}", ""]
    if refused:
        lines += ["**Refused: as it is, nothing would be done.**", "", block("\n".join(refused))]
    elif not found:
        lines.append("Nothing: everything is as it is described.")
    else:
        lines += fitting(_table(found), ROWS)
    return "\n".join([*lines, "", *fitting(_drift(steps, looked), DRIFT)])


def _message(diagnostic: Mapping[str, Any]) -> str:
    """Without what Pulumi puts before it when it says the same a second time."""
    said = str(diagnostic.get("message", "")).strip().removeprefix("error: ")
    return said.removeprefix("an unhandled error occurred: ")


def _change(step: Step) -> Change | None:
    operation = _PARTS.get(step["op"], step["op"])
    kind, name = _named(step["urn"])
    if operation not in _WORDS or "homelab:components" in kind or kind.startswith("pulumi:") or kind == _ARCHIVE:
        return None
    state = step.get("newState") or step.get("oldState") or {}
    owner_kind, owner = _named(state.get("parent", "")) if state.get("parent") else ("", "")
    place = _OWNERS.get(owner_kind.rpartition(":")[2])
    role = name.removeprefix(f"{owner}-") if place else name
    object_kind = kind.rpartition(":")[2].lower() if kind.startswith("kubernetes:") else ""
    label = role if role.startswith(object_kind) else f"{object_kind} {role}"
    detail = _detail(step) if operation in ("update", "replace") else ""
    return Change(f"{place} {owner}" if place else "cluster", label, _WORDS[operation], detail)


def _named(urn: str) -> tuple[str, str]:
    """Own type and name of a resource."""
    _, _, types, name = urn.split("::", 3)
    return types.rpartition("$")[2], name


def _detail(step: Step) -> str:
    """What differs: by name, and a version by its value."""
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


def _table(found: Iterable[Change]) -> Iterator[str]:
    """A row for each machine, layer and app; what is wholly new or gone is told in one word."""
    owners: dict[str, list[Change]] = {}
    for change in found:
        owners.setdefault(change.owner, []).append(change)
    yield from ("| Of | | What |", "| --- | --- | --- |")
    for owner in sorted(owners, key=lambda name: (_ORDER.index(name.partition(" ")[0]), name)):
        words = dict.fromkeys(change.word for change in owners[owner])
        word = next(iter(words)) if len(words) == 1 else "changed"
        told = list(dict.fromkeys(_told(change, word) for change in owners[owner]))
        more = [f"and {len(told) - CELL} more"] if len(told) > CELL else []
        bold = f"**{word}**" if word in ("gone", "replaced") else word
        sort, _, name = owner.partition(" ")
        of = f"{sort} {code(name)}" if name else sort
        yield f"| {of} | {bold} | {'; '.join([*told[:CELL], *more])} |"


def _told(change: Change, word: str) -> str:
    own = f"{change.word} " if change.word != word else ""
    detail = f" ({change.detail})" if change.detail else ""
    return own + code(change.what + detail)


def _drift(steps: Iterable[Step], looked: bool) -> Iterator[str]:
    if not looked:
        yield "Machines were not looked at: what was changed by hand on them is not known here."
        return
    states = (step.get("newState") or {} for step in steps)
    inputs = [(state["urn"], state["inputs"]) for state in states if (state.get("inputs") or {}).get("drift")]
    if inputs:
        yield "**Changed by hand on the machines**, and mended by the next `pulumi up`:"
        yield ""
    for urn, given in inputs:
        name = (given.get("machine") or {}).get("name") or _named(urn)[1]
        yield f"- {code(name)}: {code(given['drift'])}"
