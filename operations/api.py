"""The cluster's API, asked with the stack's kubeconfig. Only `send` changes anything."""

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

from components.validity import Validity

SILENCE = 10.0
"""Seconds without an answer until the API counts as out of reach."""
_NAMES_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
Object = Mapping[str, Any]


class ApiError(Exception):
    """The API did not answer, or with something else than was asked for."""


class AbsentError(ApiError):
    """There is no such object, or no such kind."""


class DeniedError(ApiError):
    """The API answers, and does not take the kubeconfig."""

    def __init__(self, says: str, fix: str) -> None:
        super().__init__(f"{says}; {fix}")
        self.says, self.fix = says, fix


class Api:
    """One cluster's API."""

    def __init__(self, kubeconfig: str) -> None:
        content = YAML(typ="safe", pure=True).load(kubeconfig)
        cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
        self.server = str(cluster["server"])
        self.validity = Validity.of(user)
        self._authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._certificate = base64.b64decode(user["client-certificate-data"]).decode()
        self._key = base64.b64decode(user["client-key-data"]).decode()

    def get(self, path: str, accept: str = "application/json") -> Object:
        """Return what is at `path`. Raises `ApiError`."""
        return self._ask("GET", path, {"Accept": accept})

    def send(self, method: str, path: str, body: Object | None = None) -> Object:
        """Make, replace or delete what is at `path`, and return what it is now. Raises `ApiError`."""
        return self._ask(method, path, {"Content-Type": "application/json"}, json.dumps(body) if body else None)

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: str | None = None) -> Object:
        place = urlsplit(self.server)
        connection = HTTPSConnection(place.hostname or "", place.port, timeout=SILENCE, context=self._context)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            content = response.read()
        except ssl.SSLCertVerificationError as error:
            says = f"the API at {self.server} shows a certificate of another authority than the kubeconfig's: {error}"
            raise DeniedError(says, "find out who answers there; after a restore, `pulumi up` renews it") from None
        except (OSError, HTTPException) as error:
            raise ApiError(f"the API at {self.server} does not answer: {error or type(error).__name__}") from None
        finally:
            connection.close()
        if response.status == 404:
            raise AbsentError(f"the API at {self.server} has no {path}")
        if response.status == 401:
            raise self._unknown()
        if response.status == 403:
            says = f"the API at {self.server} refuses {path} to the kubeconfig's user (403 Forbidden)"
            raise DeniedError(says, "`pulumi up` gives him his rights again")
        if response.status not in (200, 201):
            raise ApiError(f"the API at {self.server} answers {path} with {response.status} {response.reason}")
        return cast(Object, json.loads(content))

    def _unknown(self) -> DeniedError:
        ended = f"its certificate ended on {self.validity.end}"
        why = ended if self.validity.over else "another authority signed it, as after a restore"
        says = f"the API at {self.server} does not take the kubeconfig (401 Unauthorized): {why}"
        return DeniedError(says, "`pulumi up` renews it")

    def items(self, path: str, *, names_only: bool = False) -> list[Object]:
        """Return the objects of a list; with `names_only` their metadata, and nothing that is secret."""
        return list(self.get(path, _NAMES_ONLY if names_only else "application/json").get("items") or ())

    def find(self, version: str, kind: str, namespace: str, name: str) -> Object:
        """Return an object by its apiVersion and kind. Raises `AbsentError` if it is not there."""
        found = self._in(version, kind, namespace, name)
        if found is None:
            raise AbsentError(f"the API at {self.server} has no kind {kind}")
        return found

    def find_word(self, word: str, namespace: str) -> Object:
        """Return an object as `kubectl get` names it: `kind/name`. Raises `AbsentError` if it is not there."""
        kind, _, name = word.partition("/")
        kind, _, group = kind.partition(".")
        versions = [each["preferredVersion"]["groupVersion"] for each in self.get("/apis")["groups"]]
        for version in ("v1", *versions):
            in_group = not group or version.rpartition("/")[0] == group
            if in_group and (found := self._in(version, kind, namespace, name)):
                return found
        raise AbsentError(f"the API at {self.server} has no kind {kind}")

    def _in(self, version: str, kind: str, namespace: str, name: str) -> Object | None:
        """The object; None if that version of the API has no such kind."""
        base = f"/api/{version}" if version == "v1" else f"/apis/{version}"
        for each in self.get(base)["resources"]:
            words = (each["kind"].lower(), each["name"], each.get("singularName"), *(each.get("shortNames") or ()))
            if kind.lower() in words and "/" not in each["name"]:
                place = f"/namespaces/{quote(namespace)}" if each["namespaced"] else ""
                return self.get(f"{base}{place}/{each['name']}/{quote(name)}")
        return None

    @cached_property
    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self._authority)
        # a certificate authority of one's own may be older than what Python asks for; kubectl takes it too
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        with TemporaryDirectory() as folder:  # OpenSSL takes a key from a file only
            file = Path(folder) / "admin.pem"
            file.touch(mode=0o600)
            file.write_text(f"{self._certificate}\n{self._key}")
            context.load_cert_chain(file)
        return context
