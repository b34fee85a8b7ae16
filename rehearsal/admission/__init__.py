"""Validation rules that stand in for the webhooks of the platform's systems, as far as the real rules are known."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rehearsal.admission import longhorn
from rehearsal.controllers.api import KubernetesApi

Json = dict[str, Any]
Rule = Callable[[Json, Json | None, KubernetesApi], Iterator[str]]
"""Yields an object's errors, given the object, its old version (None on creation), and the API."""

RULES: dict[str, Mapping[str, Rule]] = {
    "longhorn": longhorn.RULES,
}
"""Rules by system and kind."""


def answer(system: str, review: Json, api: KubernetesApi) -> Json:
    """Answer an AdmissionReview by the rules of a system; a rejection has all errors in its message."""
    request = review["request"]
    response: Json = {"uid": request["uid"], "allowed": True}
    rule = RULES[system].get(request["kind"]["kind"])
    thing = request.get("object")
    validated = rule and thing and not request.get("subResource") and not _leaves(thing)
    errors = list(rule(thing, request.get("oldObject"), api)) if rule and validated else []
    if errors:
        response |= {"allowed": False, "status": {"code": 422, "message": "; ".join(errors)}}
    return {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}


def _leaves(thing: Json) -> bool:
    """Return whether the object is being deleted: then only its finalizers change, and no rule applies."""
    return bool(thing["metadata"].get("deletionTimestamp"))
