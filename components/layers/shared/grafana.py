"""Grafana data sources as ConfigMaps, which Grafana's sidecar finds in every namespace."""

import json
from typing import Any

from components.kubernetes.manifest import Json, Manifest


def data_source(metadata: dict[str, Any], kind: str, url: str, **options: Json) -> Manifest:
    """Return the ConfigMap that adds a data source to Grafana.

    The UID, with which other data sources refer to the data source, is `kind`.
    """
    source = {"name": kind.capitalize(), "uid": kind, "type": kind, "access": "proxy", "url": url, "jsonData": options}
    data = {f"{kind}.yaml": json.dumps({"apiVersion": 1, "datasources": [source]})}
    labelled = metadata | {"labels": {"grafana_datasource": "1"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": labelled, "data": data}
