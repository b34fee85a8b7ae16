"""CRDs of stand-in charts, built from lists with the group, kind, plural, versions and required fields of each CRD."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

Json = dict[str, Any]
PRESERVE_UNKNOWN = "x-kubernetes-preserve-unknown-fields"
RESOURCE_POLICY = "helm.sh/resource-policy"
APPROVED = {"api-approved.kubernetes.io": "unapproved, it stands in for another"}
"""The API server accepts a CRD of a group below k8s.io only with this annotation."""


def chart_files(listed: Mapping[str, Any]) -> dict[str, str]:
    """Build the chart files for a list of CRDs.

    If the list sets `folder`, the chart's folder `crds/` contains the CRDs; without `folder`, a template contains the
    CRDs. `when` names the Helm value that enables the template. `keep` names the Helm value that retains the CRDs on
    uninstall; `always` retains the CRDs unconditionally.
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
    """Render a template with complete CRDs; `when` and `keep` name Helm values as in `chart_files()`."""
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

    `spec.a.b` requires `b` in `spec.a` if `spec.a` exists. `spec.a[].b` requires `b` in each element of `spec.a`.
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
    """Return the schema of an object field, or of a list field's elements; add a missing schema."""
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
