"""CRDs out of a short list: group, kind, plural, versions, and the fields that the real ones require."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

Json = dict[str, Any]
OPEN = "x-kubernetes-preserve-unknown-fields"
KEEP = "helm.sh/resource-policy"
APPROVED = {"api-approved.kubernetes.io": "unapproved, it stands in for another"}
"""Without it the API server takes no CRD of a group that belongs to Kubernetes."""


def files(listed: Mapping[str, Any]) -> dict[str, str]:
    """Files of a chart that hold the CRDs of a list.

    `folder` puts them into `crds/`; else they are a template: `when` is the value that switches them on, and `keep`
    the value that lets them survive the chart (`always`: they do).
    """
    definitions = list(_definitions(listed["groups"]))
    if listed.get("folder"):
        return {f"crds/{each['metadata']['name']}.yaml": _text(each) for each in definitions}
    keep = listed.get("keep")
    text = "---\n".join(_kept(_text(each), keep) for each in definitions)
    if when := listed.get("when"):
        text = f"{{{{- if .Values.{when} }}}}\n{text}{{{{- end }}}}\n"
    return {"templates/crds.yaml": text}


def template(definitions: Iterable[Json], *, when: str, keep: str) -> str:
    """A template with CRDs that were written elsewhere; `when` and `keep` are values as in a list."""
    mark = "@keep@"
    texts = []
    for each in definitions:
        annotations = {**each["metadata"].get("annotations", {}), KEEP: mark}
        text = json.dumps(each | {"metadata": each["metadata"] | {"annotations": annotations}})
        texts.append(text.replace("{{", '{{ "{{" }}').replace(mark, f'{{{{ .Values.{keep} | ternary "keep" "" }}}}'))
    return f"{{{{- if .Values.{when} }}}}\n" + "\n---\n".join(texts) + "\n{{- end }}\n"


def definition(group: str, kind: str, about: Mapping[str, Any]) -> Json:
    """One CRD; the last of its versions is the stored one."""
    versions = about.get("versions", ["v1"])
    names = {"kind": kind, "listKind": f"{kind}List", "plural": about["plural"], "singular": kind.lower()}
    structure = schema(about.get("requires", ()))
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{about['plural']}.{group}",
            **({"annotations": APPROVED} if group.endswith(".k8s.io") else {}),
        },
        "spec": {
            "group": group,
            "names": names,
            "scope": about.get("scope", "Namespaced"),
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": version == versions[-1],
                    "schema": {"openAPIV3Schema": structure},
                    **({"subresources": {"status": {}}} if about.get("status", True) else {}),
                }
                for version in versions
            ],
        },
    }


def schema(required: Iterable[str]) -> Json:
    """A structural schema that takes everything but objects without the required fields.

    `spec.a.b` requires `b` in every `spec.a` there is; `spec.a[].b` in every element of a list.
    """
    root: Json = {"type": "object", OPEN: True}
    for path in required:
        *parents, field = path.split(".")
        place = root
        for parent in parents:
            place = _below(place, parent)
        place.setdefault("required", []).append(field)
        place.setdefault("properties", {}).setdefault(field, {OPEN: True})
    return root


def _below(place: Json, step: str) -> Json:
    """The schema of a field, made an object's, or that of a list's elements."""
    name, is_list = step.removesuffix("[]"), step.endswith("[]")
    found: Json = place.setdefault("properties", {}).setdefault(name, {OPEN: True})
    if is_list:
        found.pop(OPEN, None)
        found["type"] = "array"
        found = found.setdefault("items", {})
    found |= {"type": "object", OPEN: True}
    return found


def _definitions(groups: Mapping[str, Mapping[str, Any]]) -> Iterator[Json]:
    for group, kinds in groups.items():
        for kind, about in kinds.items():
            yield definition(group, kind, about)


def _text(definition: Json) -> str:
    return yaml.safe_dump(definition, sort_keys=False)


def _kept(text: str, keep: str | None) -> str:
    if keep is None:
        return text
    annotation = f"    {KEEP}: keep\n"
    if keep != "always":
        annotation = f"    {{{{- if .Values.{keep} }}}}\n{annotation}    {{{{- end }}}}\n"
    head = "  annotations:\n"
    if head in text:
        return text.replace(head, head + annotation, 1)
    return text.replace("metadata:\n", f"metadata:\n{head}{annotation}", 1)
