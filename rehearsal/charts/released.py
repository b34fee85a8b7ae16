"""Converts the manifests of a program's release into files of a stand-in chart."""

from pathlib import Path

MANIFESTS = "manifests.yaml"
"""Chart file that templates read by `include "released" .`."""
_BETWEEN = "\n---\n"
_CRD = "\nkind: CustomResourceDefinition\n"
_ANNOTATIONS = "\nmetadata:\n  annotations:\n"


def put(released: str, folder: Path) -> None:
    """Split the manifests of a program's release, and write the resulting chart files into `folder`."""
    for name, text in split(released).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def split(released: str) -> dict[str, str]:
    """Split manifests into two chart files: CRDs, which Helm retains on uninstall, and all other objects."""
    documents = f"\n{released}".split(_BETWEEN)
    crds = [document for document in documents if _CRD in f"\n{document}"]
    retained = (
        document.replace(_ANNOTATIONS, f"{_ANNOTATIONS}    helm.sh/resource-policy: keep\n", 1) for document in crds
    )
    return {
        "templates/crds.yaml": f"{{{{- if .Values.crds.create }}}}\n{_BETWEEN.join(retained)}\n{{{{- end }}}}\n",
        MANIFESTS: _BETWEEN.join(document for document in documents if document not in crds),
    }
