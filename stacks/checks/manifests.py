"""Checks of the Kubernetes objects under `k3s.manifests`."""

import yaml

from components.cluster.settings import ClusterSettings
from components.settings.errors import Findings

_FIELDS = ("apiVersion", "kind")


def _of_cluster(cluster: ClusterSettings) -> Findings:
    for name, text in cluster.k3s.manifests.items():
        for reason, fix in _problems(text):
            yield ("k3s", "manifests", name), reason, fix


def _problems(text: str) -> list[tuple[str, str]]:
    try:
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return [
            (f"is not valid YAML{f', in line {mark.line + 1}' if mark else ''}", "correct the indentation and quotes")
        ]
    if not documents:
        return [("contains no object", "add an object, or remove the entry")]
    return [problem for document in documents for problem in _of_object(document)]


def _of_object(document: object) -> list[tuple[str, str]]:
    if not isinstance(document, dict) or not all(isinstance(document.get(field), str) for field in _FIELDS):
        return [("contains a document that is not a Kubernetes object", "start it with apiVersion and kind")]
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        return [(f"contains a {document['kind']} without metadata.name", "add the name")]
    if document["kind"] in ("Secret", "SecretList"):
        fix = "use the layer sealedSecrets or externalSecrets, or the secrets of an app"
        return [("contains a Secret, whose data would be readable in the stack file and in Pulumi's state", fix)]
    return []


CLUSTER_CHECKS = (_of_cluster,)
