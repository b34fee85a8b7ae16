"""A Kubernetes API client for stand-in operators. The client has cluster-admin permissions."""

import http.client
import json
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

Json = dict[str, Any]
TIMEOUT = 5  # seconds until a request times out
PORT = 6443
MERGE_PATCH = "application/merge-patch+json"


class ApiError(Exception):
    """A failed request to the Kubernetes API; the message quotes the response."""


class KubernetesApi(Protocol):
    """The operations of the Kubernetes API that stand-in operators use. URL paths begin with /api or /apis."""

    def read(self, path: str) -> Json | None:
        """Return the Kubernetes object at `path`, or None if the object does not exist."""

    def items(self, path: str) -> list[Json]:
        """Return all Kubernetes objects in the list at `path`, or an empty list if the kind's CRD is not installed."""

    def create(self, path: str, body: Json) -> None:
        """Create a Kubernetes object in the list at `path` unless the object exists."""

    def patch(self, path: str, body: Json) -> None:
        """Apply a JSON merge patch to the Kubernetes object at `path` if the object exists."""

    def delete(self, path: str) -> None:
        """Delete the Kubernetes object at `path` if the object exists."""


class ApiClient:
    """A Kubernetes API client that connects to the first server with a ready API."""

    def __init__(self, servers: Sequence[tuple[str, Path]]) -> None:
        """Prepare an API client; each pair in `servers` is a server's address and the folder of its certificates."""
        self._servers = servers
        self._connection: http.client.HTTPSConnection | None = None

    def read(self, path: str) -> Json | None:
        """Return the Kubernetes object at `path`, or None if the object does not exist."""
        return self._request("GET", path, absent_ok=True)

    def items(self, path: str) -> list[Json]:
        """Return all Kubernetes objects in the list at `path`, or an empty list if the kind's CRD is not installed."""
        listed = self._request("GET", path, absent_ok=True)
        return with_kind(listed) if listed else []

    def create(self, path: str, body: Json) -> None:
        """Create a Kubernetes object in the list at `path` unless the object exists."""
        self._request("POST", path, body, present_ok=True)

    def patch(self, path: str, body: Json) -> None:
        """Apply a JSON merge patch to the Kubernetes object at `path` if the object exists."""
        self._request("PATCH", path, body, absent_ok=True)

    def delete(self, path: str) -> None:
        """Delete the Kubernetes object at `path` if the object exists."""
        self._request("DELETE", path, absent_ok=True)

    def _request(
        self, method: str, path: str, body: Json | None = None, *, absent_ok: bool = False, present_ok: bool = False
    ) -> Json | None:
        kind = MERGE_PATCH if method == "PATCH" else "application/json"
        text = None if body is None else json.dumps(body)
        try:
            connection = self._connected()
            connection.request(method, path, text, {"Content-Type": kind, "Accept": "application/json"})
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection = None
            raise ApiError(f"{method} {path}: {error!r}") from error
        if (response.status == 404 and absent_ok) or (response.status == 409 and present_ok):
            return None
        if response.status >= 300:
            raise ApiError(f"{method} {path}: {response.status} {content[:300]!r}")
        answer = json.loads(content)
        assert isinstance(answer, dict)
        return answer

    def _connected(self) -> http.client.HTTPSConnection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> http.client.HTTPSConnection:
        for address, tls in self._servers:
            try:
                context = ssl.create_default_context(cafile=str(tls / "server-ca.crt"))
                context.load_cert_chain(tls / "client-admin.crt", tls / "client-admin.key")
                connection = http.client.HTTPSConnection(address, PORT, timeout=TIMEOUT, context=context)
                connection.request("GET", "/readyz")
                response = connection.getresponse()
                response.read()
                if response.status == 200:
                    return connection
            except (OSError, http.client.HTTPException):
                continue
        raise ConnectionError("no server's API is ready")


def with_kind(listed: Json) -> list[Json]:
    """Return the objects of a Kubernetes list with `apiVersion` and `kind`, which lists of built-in kinds omit."""
    kind = {"apiVersion": listed["apiVersion"], "kind": listed["kind"].removesuffix("List")}
    return [kind | item for item in listed["items"]]


def is_ready(api: KubernetesApi, namespace: str, name: str) -> bool:
    """Return whether the namespace has a Deployment or StatefulSet with `name` in its name and a ready pod."""
    for plural in ("deployments", "statefulsets"):
        for workload in api.items(f"/apis/apps/v1/namespaces/{namespace}/{plural}"):
            if name in workload["metadata"]["name"] and workload.get("status", {}).get("readyReplicas", 0) > 0:
                return True
    return False
