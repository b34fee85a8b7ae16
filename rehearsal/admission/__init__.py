"""What the webhooks of the platform's systems refuse, as far as the real ones are known to."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rehearsal.admission import longhorn
from rehearsal.operators.api import Objects

Json = dict[str, Any]
Rule = Callable[[Json, Json | None, Objects], Iterator[str]]
"""What is wrong with an object; asked with the object it replaces, and with the API."""

RULES: dict[str, Mapping[str, Rule]] = {
    "longhorn": longhorn.RULES,
}
"""Rules by system and kind."""


def answer(system: str, review: Json, api: Objects) -> Json:
    """The AdmissionReview that answers one for an object of a system."""
    request = review["request"]
    response: Json = {"uid": request["uid"], "allowed": True}
    rule = RULES[system].get(request["kind"]["kind"])
    thing = request.get("object")
    looked_at = rule and thing and not request.get("subResource") and not _leaves(thing)
    found = list(rule(thing, request.get("oldObject"), api)) if rule and looked_at else []
    if found:
        response |= {"allowed": False, "status": {"code": 422, "message": "; ".join(found)}}
    return {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}


def _leaves(thing: Json) -> bool:
    """Whether it is being deleted: then only its finalizers change."""
    return bool(thing["metadata"].get("deletionTimestamp"))
