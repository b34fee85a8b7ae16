"""What Grafana finds in every namespace: where further data come from."""

import json
from typing import Any

from components.manifest import Manifest, Tree


def data_source(metadata: dict[str, Any], kind: str, url: str, **more: Tree) -> Manifest:
    """A source of data; others refer to it by its kind."""
    source = {"name": kind.capitalize(), "uid": kind, "type": kind, "access": "proxy", "url": url, "jsonData": more}
    data = {f"{kind}.yaml": json.dumps({"apiVersion": 1, "datasources": [source]})}
    labelled = metadata | {"labels": {"grafana_datasource": "1"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": labelled, "data": data}
