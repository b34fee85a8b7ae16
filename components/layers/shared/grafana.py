"""Grafana data sources, which Grafana's sidecar discovers in every namespace."""

import json
from typing import Any

from components.kubernetes.manifest import Json, Manifest


def data_source(metadata: dict[str, Any], kind: str, url: str, **options: Json) -> Manifest:
    """Return the ConfigMap of a Grafana data source.

    The UID, by which other data sources refer to the data source, is `kind`.
    """
    source = {"name": kind.capitalize(), "uid": kind, "type": kind, "access": "proxy", "url": url, "jsonData": options}
    data = {f"{kind}.yaml": json.dumps({"apiVersion": 1, "datasources": [source]})}
    labelled = metadata | {"labels": {"grafana_datasource": "1"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": labelled, "data": data}
