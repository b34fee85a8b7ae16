"""Pull Helm charts from OCI registries (oci://) without a login.

The registry's manifest of a chart contains the digest of the chart's archive.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from provider.download import Unauthorized, download
from provider.errors import TaskError
from provider.model import Chart

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
ARCHIVE_TYPE = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
MAX_MANIFEST_BYTES = 1 << 20


def pull(chart: Chart, max_bytes: int) -> tuple[str, str, bytes]:
    """Download a chart's archive from an OCI registry; return the archive's URL, digest and content. This call blocks.

    Raises TaskError.
    """
    repository = urlsplit(chart.repository)
    base = f"https://{repository.netloc}/v2{repository.path.rstrip('/')}/{chart.name}"
    url = f"{base}/manifests/{chart.version.replace('+', '_')}"  # tags cannot contain `+`; Helm replaces it by `_`
    content, token = _get(url, MAX_MANIFEST_BYTES, {"Accept": MANIFEST_TYPE})
    digest = _digest(url, _loaded(url, content))
    blob = f"{base}/blobs/{digest}"
    archive, _ = _get(blob, max_bytes, token)
    expected, actual = digest.removeprefix("sha256:"), hashlib.sha256(archive).hexdigest()
    if actual != expected:
        raise TaskError(
            f"{blob} does not have the sha256 of its digest; homelab did not use it.\nfound sha256 {actual}"
        )
    return blob, expected, archive


def _digest(url: str, manifest: Mapping[str, Any]) -> str:
    """Return the digest of the layer that contains the chart's archive, from an OCI manifest. Raises TaskError."""
    entries = manifest.get("layers")
    layers = [layer for layer in entries if isinstance(layer, Mapping)] if isinstance(entries, list) else []
    digest = next((str(layer.get("digest")) for layer in layers if layer.get("mediaType") == ARCHIVE_TYPE), "")
    if not re.fullmatch("sha256:[0-9a-f]{64}", digest):
        raise TaskError(f"{url} is not a Helm chart: the manifest has no layer with an archive and a sha256 digest.")
    return digest


def _get(url: str, max_bytes: int, headers: Mapping[str, str]) -> tuple[bytes, Mapping[str, str]]:
    """Download a URL of an OCI registry; return the content, and the headers (with a token) for later requests."""
    try:
        return download(url, max_bytes, headers), headers
    except Unauthorized as error:
        authorization = {"Authorization": f"Bearer {request_token(url, error.challenge)}"}
        return download(url, max_bytes, {**headers, **authorization}), authorization


def request_token(url: str, challenge: str) -> str:
    """Request an anonymous token from the server that the `WWW-Authenticate` header `challenge` names.

    Raises TaskError if the registry offers no anonymous tokens.
    """
    scheme, _, rest = challenge.partition(" ")
    parameters = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    realm = parameters.pop("realm", "")
    secure = realm.startswith("https://") or url.startswith("http://")
    if scheme.lower() != "bearer" or not secure:
        raise TaskError(
            f"The registry of {url} requires a login, and homelab does not log in to registries: allow anonymous pulls."
        )
    query = urlencode({key: value for key, value in parameters.items() if key in ("service", "scope")})
    answer = _loaded(realm, download(f"{realm}?{query}", MAX_MANIFEST_BYTES))
    return str(answer.get("token") or answer.get("access_token") or "")


def _loaded(url: str, content: bytes) -> Mapping[str, Any]:
    """Parse a JSON object. Raises TaskError."""
    try:
        document = json.loads(content)
    except ValueError:
        document = None
    if not isinstance(document, Mapping):
        raise TaskError(f"The response of {url} is not a JSON object. Check that the URL belongs to an OCI registry.")
    return document
