"""Validation rules of the simulated admission webhooks, modelled on known rules of the real webhooks."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rehearsal.admission import longhorn
from rehearsal.controllers.api import KubernetesApi

Json = dict[str, Any]
Rule = Callable[[Json, Json | None, KubernetesApi], Iterator[str]]
"""Yields the errors of an object. Arguments: the object, the object's old version (None on creation), and the API."""

RULES: dict[str, Mapping[str, Rule]] = {
    "longhorn": longhorn.RULES,
}
"""Validation rules by simulated system and by kind of object."""


def answer(system: str, review: Json, api: KubernetesApi) -> Json:
    """Answer an AdmissionReview for the webhook of `system`; the message of a rejection lists all validation errors."""
    request = review["request"]
    response: Json = {"uid": request["uid"], "allowed": True}
    rule = RULES[system].get(request["kind"]["kind"])
    item = request.get("object")
    validated = rule and item and not request.get("subResource") and not _leaves(item)
    errors = list(rule(item, request.get("oldObject"), api)) if rule and validated else []
    if errors:
        response |= {"allowed": False, "status": {"code": 422, "message": "; ".join(errors)}}
    return {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}


def _leaves(item: Json) -> bool:
    """Return whether Kubernetes is deleting the object; the rules do not apply to the removal of finalizers."""
    return bool(item["metadata"].get("deletionTimestamp"))
