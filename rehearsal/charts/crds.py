"""Builds the CRDs of stand-in charts from lists with each CRD's group, kind, plural, versions and required fields."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

Json = dict[str, Any]
PRESERVE_UNKNOWN = "x-kubernetes-preserve-unknown-fields"
RESOURCE_POLICY = "helm.sh/resource-policy"
APPROVED = {"api-approved.kubernetes.io": "unapproved, it stands in for another"}
"""Annotation that the API server requires on CRDs in API groups that end with k8s.io."""


def chart_files(listed: Mapping[str, Any]) -> dict[str, str]:
    """Build the files of a stand-in chart for a list of CRDs; return the texts by path in the chart.

    If the list sets `folder`, the CRDs become files in the chart's folder `crds/`. Without `folder`, one template
    contains the CRDs, and `when` is the name of the Helm value that enables the template. `keep` is the name of the
    Helm value that retains the CRDs on uninstall; `keep: always` retains the CRDs unconditionally.
    """
    definitions = list(_definitions(listed["groups"]))
    if listed.get("folder"):
        return {f"crds/{item['metadata']['name']}.yaml": _text(item) for item in definitions}
    keep = listed.get("keep")
    text = "---\n".join(_kept(_text(item), keep) for item in definitions)
    if when := listed.get("when"):
        text = f"{{{{- if .Values.{when} }}}}\n{text}{{{{- end }}}}\n"
    return {"templates/crds.yaml": text}


def template(definitions: Iterable[Json], *, when: str, keep: str) -> str:
    """Render a Helm template that contains complete CRDs; `when` and `keep` are Helm values as in `chart_files()`."""
    mark = "@keep@"
    texts = []
    for item in definitions:
        annotations = {**item["metadata"].get("annotations", {}), RESOURCE_POLICY: mark}
        text = json.dumps(item | {"metadata": item["metadata"] | {"annotations": annotations}})
        texts.append(text.replace("{{", '{{ "{{" }}').replace(mark, f'{{{{ .Values.{keep} | ternary "keep" "" }}}}'))
    return f"{{{{- if .Values.{when} }}}}\n" + "\n---\n".join(texts) + "\n{{- end }}\n"


def definition(group: str, kind: str, about: Mapping[str, Any]) -> Json:
    """Build a CRD; the last version in the list is the storage version."""
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
    """Build a structural schema that accepts all objects with the required fields.

    The path `spec.a.b` makes `b` required in the object `spec.a`. The path `spec.a[].b` makes `b` required in each
    element of the list `spec.a`.
    """
    root: Json = {"type": "object", PRESERVE_UNKNOWN: True}
    for path in required:
        *parents, field = path.split(".")
        node = root
        for parent in parents:
            node = _below(node, parent)
        node.setdefault("required", []).append(field)
        node.setdefault("properties", {}).setdefault(field, {PRESERVE_UNKNOWN: True})
    return root


def _below(node: Json, step: str) -> Json:
    """Return the schema of a field, or of the elements of a list field (`NAME[]`); add the schema if it is missing."""
    name, is_list = step.removesuffix("[]"), step.endswith("[]")
    child: Json = node.setdefault("properties", {}).setdefault(name, {PRESERVE_UNKNOWN: True})
    if is_list:
        child.pop(PRESERVE_UNKNOWN, None)
        child["type"] = "array"
        child = child.setdefault("items", {})
    child |= {"type": "object", PRESERVE_UNKNOWN: True}
    return child


def _definitions(groups: Mapping[str, Mapping[str, Any]]) -> Iterator[Json]:
    for group, kinds in groups.items():
        for kind, about in kinds.items():
            yield definition(group, kind, about)


def _text(definition: Json) -> str:
    return yaml.safe_dump(definition, sort_keys=False)


def _kept(text: str, keep: str | None) -> str:
    if keep is None:
        return text
    annotation = f"    {RESOURCE_POLICY}: keep\n"
    if keep != "always":
        annotation = f"    {{{{- if .Values.{keep} }}}}\n{annotation}    {{{{- end }}}}\n"
    head = "  annotations:\n"
    if head in text:
        return text.replace(head, head + annotation, 1)
    return text.replace("metadata:\n", f"metadata:\n{head}{annotation}", 1)
