"""A Kubernetes API client that authenticates with the kubeconfig in the Pulumi stack's outputs.

Only `send()` changes objects.
"""

import base64
import json
import ssl
from collections.abc import Mapping
from functools import cached_property
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast
from urllib.parse import quote, urlsplit

from ruamel.yaml import YAML

from components.cluster.certificate_validity import Validity
from operations.http import TIMEOUT

_NAMES_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
Object = Mapping[str, Any]


class ApiError(Exception):
    """The Kubernetes API did not answer, or returned an error."""


class NotFoundError(ApiError):
    """The Kubernetes API has no object at the requested path, or does not serve the object's kind."""


class AccessDeniedError(ApiError):
    """The Kubernetes API rejects the kubeconfig's credentials, or RBAC denies the request."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(f"{reason}; {fix}")
        self.reason, self.fix = reason, fix


class Api:
    """A client of one cluster's Kubernetes API."""

    def __init__(self, kubeconfig: str) -> None:
        content = YAML(typ="safe", pure=True).load(kubeconfig)
        cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
        self.server = str(cluster["server"])
        self.validity = Validity.of_kubeconfig_user(user)
        self._ca = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._certificate = base64.b64decode(user["client-certificate-data"]).decode()
        self._key = base64.b64decode(user["client-key-data"]).decode()

    def get(self, path: str, accept: str = "application/json") -> Object:
        """Send a GET request to a path of the Kubernetes API, and return the object or list in the response.

        Raises `ApiError`.
        """
        return self._request("GET", path, {"Accept": accept})

    def send(self, method: str, path: str, body: Object | None = None) -> Object:
        """Send a POST, PUT or DELETE request to a path of the Kubernetes API, and return the object in the response.

        Raises `ApiError`.
        """
        return self._request(method, path, {"Content-Type": "application/json"}, json.dumps(body) if body else None)

    def _request(self, method: str, path: str, headers: Mapping[str, str], body: str | None = None) -> Object:
        url = urlsplit(self.server)
        connection = HTTPSConnection(url.hostname or "", url.port, timeout=TIMEOUT, context=self._tls_context)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            content = response.read()
        except ssl.SSLCertVerificationError as error:
            reason = (
                f"the Kubernetes API at {self.server} has a certificate that the kubeconfig's CA did not sign: {error}"
            )
            fix = (
                "if you restored the cluster from a snapshot, run `pulumi up` to renew the kubeconfig; "
                "if not, find out which machine answers at this address"
            )
            raise AccessDeniedError(reason, fix) from None
        except (OSError, HTTPException) as error:
            raise ApiError(
                f"the Kubernetes API at {self.server} does not answer: {error or type(error).__name__}"
            ) from None
        finally:
            connection.close()
        if response.status == 404:
            raise NotFoundError(f"the Kubernetes API at {self.server} has no {path}")
        if response.status == 401:
            raise self._unauthorized()
        if response.status == 403:
            reason = (
                f"the Kubernetes API at {self.server} denies the kubeconfig's user access to {path} (403 Forbidden)"
            )
            raise AccessDeniedError(reason, "run `pulumi up` to restore the user's RBAC rules")
        if response.status not in (200, 201):
            raise ApiError(
                f"the Kubernetes API at {self.server} answers {path} with {response.status} {response.reason}"
            )
        return cast(Object, json.loads(content))

    def _unauthorized(self) -> AccessDeniedError:
        expired = f"the client certificate expired on {self.validity.end_text}"
        why = (
            expired
            if self.validity.is_expired
            else "the cluster's CA did not sign the client certificate, for example after a restore"
        )
        reason = f"the Kubernetes API at {self.server} rejects the kubeconfig (401 Unauthorized): {why}"
        return AccessDeniedError(reason, "run `pulumi up` to renew the kubeconfig")

    def items(self, path: str, *, names_only: bool = False) -> list[Object]:
        """Return the Kubernetes objects of the list at an API path; with `names_only`, return only their metadata."""
        return list(self.get(path, _NAMES_ONLY if names_only else "application/json").get("items") or ())

    def find(self, version: str, kind: str, namespace: str, name: str) -> Object:
        """Return the Kubernetes object with an apiVersion, a kind, a namespace and a name.

        Raises `NotFoundError` if the Kubernetes object does not exist.
        """
        item = self._get_if_served(version, kind, namespace, name)
        if item is None:
            raise NotFoundError(f"the Kubernetes API at {self.server} has no kind {kind}")
        return item

    def find_by_reference(self, reference: str, namespace: str) -> Object:
        """Return the Kubernetes object that `reference` names in the form `KIND/NAME`, as in `kubectl get`.

        Raises `NotFoundError` if the Kubernetes object does not exist.
        """
        kind, _, name = reference.partition("/")
        kind, _, group = kind.partition(".")
        versions = [api_group["preferredVersion"]["groupVersion"] for api_group in self.get("/apis")["groups"]]
        for version in ("v1", *versions):
            in_group = not group or version.rpartition("/")[0] == group
            if in_group and (item := self._get_if_served(version, kind, namespace, name)):
                return item
        raise NotFoundError(f"the Kubernetes API at {self.server} has no kind {kind}")

    def _get_if_served(self, version: str, kind: str, namespace: str, name: str) -> Object | None:
        """Return a Kubernetes object, or `None` if the API server does not serve the kind in this API version."""
        base = f"/api/{version}" if version == "v1" else f"/apis/{version}"
        for resource in self.get(base)["resources"]:
            plural, short_names = resource["name"], resource.get("shortNames") or ()
            names = (resource["kind"].lower(), plural, resource.get("singularName"), *short_names)
            if kind.lower() in names and "/" not in plural:  # a slash marks a subresource
                scope = f"/namespaces/{quote(namespace)}" if resource["namespaced"] else ""
                return self.get(f"{base}{scope}/{plural}/{quote(name)}")
        return None

    @cached_property
    def _tls_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self._ca)
        # like kubectl, accept a cluster CA without the X.509 extensions that Python requires by default
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        with TemporaryDirectory() as folder:  # Python's ssl module loads a private key only from a file
            file = Path(folder) / "admin.pem"
            file.touch(mode=0o600)
            file.write_text(f"{self._certificate}\n{self._key}")
            context.load_cert_chain(file)
        return context
