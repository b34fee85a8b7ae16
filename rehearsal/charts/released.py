"""Manifests of a program's release, for a stand-in chart that does with them what the real chart does."""

from pathlib import Path

MANIFESTS = "manifests.yaml"
"""What templates read by `include "released" .`."""
_BETWEEN = "\n---\n"
_CRD = "\nkind: CustomResourceDefinition\n"
_ANNOTATIONS = "\nmetadata:\n  annotations:\n"


def put(released: str, folder: Path) -> None:
    """Write what the chart needs of a release into `folder`."""
    for name, text in parts(released).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def parts(released: str) -> dict[str, str]:
    """The manifests of a release as files of a chart: CRDs, which survive it, as a template; all else to be read."""
    things = f"\n{released}".split(_BETWEEN)
    definitions = [each for each in things if _CRD in f"\n{each}"]
    kept = (each.replace(_ANNOTATIONS, f"{_ANNOTATIONS}    helm.sh/resource-policy: keep\n", 1) for each in definitions)
    return {
        "templates/crds.yaml": f"{{{{- if .Values.crds.create }}}}\n{_BETWEEN.join(kept)}\n{{{{- end }}}}\n",
        MANIFESTS: _BETWEEN.join(each for each in things if each not in definitions),
    }
