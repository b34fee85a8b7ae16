"""Manifests of a program's release, split into files of the stand-in chart that deploys them."""

from pathlib import Path

MANIFESTS = "manifests.yaml"
"""Chart file that templates read by `include "released" .`."""
_BETWEEN = "\n---\n"
_CRD = "\nkind: CustomResourceDefinition\n"
_ANNOTATIONS = "\nmetadata:\n  annotations:\n"


def put(released: str, folder: Path) -> None:
    """Write the chart files of a release's manifests into `folder`."""
    for name, text in split(released).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def split(released: str) -> dict[str, str]:
    """Split manifests into chart files: a template of CRDs, which Helm retains on uninstall, and all other objects."""
    documents = f"\n{released}".split(_BETWEEN)
    crds = [document for document in documents if _CRD in f"\n{document}"]
    retained = (
        document.replace(_ANNOTATIONS, f"{_ANNOTATIONS}    helm.sh/resource-policy: keep\n", 1) for document in crds
    )
    return {
        "templates/crds.yaml": f"{{{{- if .Values.crds.create }}}}\n{_BETWEEN.join(retained)}\n{{{{- end }}}}\n",
        MANIFESTS: _BETWEEN.join(document for document in documents if document not in crds),
    }
