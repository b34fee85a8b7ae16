"""The Kubernetes API as operators need it: objects as JSON, as the cluster's administrator."""

import http.client
import json
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

Json = dict[str, Any]
PATIENCE = 5  # seconds for one answer
PORT = 6443
MERGE = "application/merge-patch+json"


class ApiError(Exception):
    """The API did not do what it was asked; the text says what it answered."""


class Objects(Protocol):
    """What operators ask of the API. Paths begin with /api or /apis."""

    def read(self, path: str) -> Json | None:
        """The object, None if there is none."""

    def items(self, path: str) -> list[Json]:
        """The objects of a list; none where the kind itself is not there."""

    def create(self, path: str, body: Json) -> None:
        """Make an object in a list; nothing happens to one that is there."""

    def patch(self, path: str, body: Json) -> None:
        """Merge into an object; nothing happens where there is none."""

    def delete(self, path: str) -> None:
        """Delete an object, if it is there."""


class Api:
    """The API of the first server that answers."""

    def __init__(self, servers: Sequence[tuple[str, Path]]) -> None:
        """Take servers by address, with the folder in which K3s keeps its certificates there."""
        self._servers = servers
        self._connection: http.client.HTTPSConnection | None = None

    def read(self, path: str) -> Json | None:
        """The object, None if there is none."""
        return self._ask("GET", path, absent_ok=True)

    def items(self, path: str) -> list[Json]:
        """The objects of a list; none where the kind itself is not there."""
        found = self._ask("GET", path, absent_ok=True)
        return whole(found) if found else []

    def create(self, path: str, body: Json) -> None:
        """Make an object in a list; nothing happens to one that is there."""
        self._ask("POST", path, body, there_ok=True)

    def patch(self, path: str, body: Json) -> None:
        """Merge into an object; nothing happens where there is none."""
        self._ask("PATCH", path, body, absent_ok=True)

    def delete(self, path: str) -> None:
        """Delete an object, if it is there."""
        self._ask("DELETE", path, absent_ok=True)

    def _ask(
        self, method: str, path: str, body: Json | None = None, *, absent_ok: bool = False, there_ok: bool = False
    ) -> Json | None:
        kind = MERGE if method == "PATCH" else "application/json"
        text = None if body is None else json.dumps(body)
        try:
            connection = self._connected()
            connection.request(method, path, text, {"Content-Type": kind, "Accept": "application/json"})
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection = None
            raise ApiError(f"{method} {path}: {error!r}") from error
        if (response.status == 404 and absent_ok) or (response.status == 409 and there_ok):
            return None
        if response.status >= 300:
            raise ApiError(f"{method} {path}: {response.status} {content[:300]!r}")
        found = json.loads(content)
        assert isinstance(found, dict)
        return found

    def _connected(self) -> http.client.HTTPSConnection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> http.client.HTTPSConnection:
        for address, tls in self._servers:
            try:
                context = ssl.create_default_context(cafile=str(tls / "server-ca.crt"))
                context.load_cert_chain(tls / "client-admin.crt", tls / "client-admin.key")
                connection = http.client.HTTPSConnection(address, PORT, timeout=PATIENCE, context=context)
                connection.request("GET", "/readyz")
                response = connection.getresponse()
                response.read()
                if response.status == 200:
                    return connection
            except (OSError, http.client.HTTPException):
                continue
        raise ConnectionError("no server answers")


def whole(listed: Json) -> list[Json]:
    """The objects of a list, each with the kind and version that Kubernetes leaves out of its own."""
    kind = {"apiVersion": listed["apiVersion"], "kind": listed["kind"].removesuffix("List")}
    return [kind | each for each in listed["items"]]


def named(path: str, thing: Json) -> str:
    """Path of an object in a list of a namespace, or of the cluster."""
    return f"{path}/{thing['metadata']['name']}"


def ready(api: Objects, namespace: str, name: str) -> bool:
    """Whether a workload of that namespace, with `name` in its own, has a pod that is ready."""
    for plural in ("deployments", "statefulsets"):
        for each in api.items(f"/apis/apps/v1/namespaces/{namespace}/{plural}"):
            if name in each["metadata"]["name"] and each.get("status", {}).get("readyReplicas", 0) > 0:
                return True
    return False


def owner(thing: Json) -> list[Json]:
    """Owner references that let an object go with `thing`."""
    metadata = thing["metadata"]
    own = {"apiVersion": thing["apiVersion"], "kind": thing["kind"], "name": metadata["name"], "uid": metadata["uid"]}
    return [own | {"controller": True, "blockOwnerDeletion": True}]


def condition(kind: str, reason: str, *, true: bool = True, message: str = "") -> Json:
    """One condition of a status."""
    status = "True" if true else "False"
    return {"type": kind, "status": status, "reason": reason, "message": message or reason}
