"""Charts in a registry (oci://): a manifest names the archive by its digest. Nobody logs in."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from .download import Unauthorized, download
from .errors import TaskError
from .model import Chart

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
ARCHIVE = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
LARGEST_MANIFEST = 1 << 20


def pull(chart: Chart, largest: int) -> tuple[str, str, bytes]:
    """URL, digest and content of the chart's archive; blocks. Raises TaskError."""
    place = urlsplit(chart.repository)
    base = f"https://{place.netloc}/v2{place.path.rstrip('/')}/{chart.name}"
    url = f"{base}/manifests/{chart.version.replace('+', '_')}"  # a tag has no plus sign: Helm writes it so
    content, token = _get(url, LARGEST_MANIFEST, {"Accept": MANIFEST})
    digest = _digest(url, _loaded(url, content))
    blob = f"{base}/blobs/{digest}"
    archive, _ = _get(blob, largest, token)
    stated, found = digest.removeprefix("sha256:"), hashlib.sha256(archive).hexdigest()
    if found != stated:
        raise TaskError(f"{blob} is not what its digest says; it was not used.\nfound sha256 {found}")
    return blob, stated, archive


def _digest(url: str, manifest: Mapping[str, Any]) -> str:
    layers = manifest.get("layers")
    found = [each for each in layers if isinstance(each, Mapping)] if isinstance(layers, list) else []
    digest = next((str(each.get("digest")) for each in found if each.get("mediaType") == ARCHIVE), "")
    if not re.fullmatch("sha256:[0-9a-f]{64}", digest):
        raise TaskError(f"{url} names no archive of a chart by a sha256: it is not a Helm chart.")
    return digest


def _get(url: str, largest: int, headers: Mapping[str, str]) -> tuple[bytes, Mapping[str, str]]:
    """Content, and the headers that it took: a registry may want a token, which it gives to anybody."""
    try:
        return download(url, largest, headers), headers
    except Unauthorized as error:
        login = {"Authorization": f"Bearer {token(url, error.challenge)}"}
        return download(url, largest, {**headers, **login}), login


def token(url: str, challenge: str) -> str:
    """What the registry at `url` gives to anybody who asks as its `WWW-Authenticate` says. Raises TaskError."""
    scheme, _, rest = challenge.partition(" ")
    given = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    realm = given.pop("realm", "")
    secure = realm.startswith("https://") or url.startswith("http://")
    if scheme.lower() != "bearer" or not secure:
        raise TaskError(f"{url} wants a login, and nobody logs in here: let anybody read what is there.")
    query = urlencode({key: value for key, value in given.items() if key in ("service", "scope")})
    answer = _loaded(realm, download(f"{realm}?{query}", LARGEST_MANIFEST))
    return str(answer.get("token") or answer.get("access_token") or "")


def _loaded(url: str, content: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, Mapping):
        raise TaskError(f"{url} answers with something that is no JSON object: is it a registry?")
    return found
