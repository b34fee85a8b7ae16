"""Lists the objects of an S3 bucket with requests that are signed with AWS Signature Version 4."""

import base64
import hashlib
import hmac
import html
import re
import ssl
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import quote

from components.cluster.k3s.settings import S3Settings
from operations.http import TIMEOUT
from provider.download import url_opener
from provider.errors import TaskError

MAX_PAGE_BYTES = 8 << 20  # maximum size of one page of a bucket listing
AWS_ENDPOINT = "s3.amazonaws.com"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


class BucketError(Exception):
    """homelab cannot list an S3 bucket; the error message states the bucket and the cause."""


@dataclass(frozen=True)
class StoredObject:
    """An S3 object: its key without the folder prefix, its size in bytes, and its modification time as Unix time."""

    key: str
    size: int
    modified: float


def list_objects(settings: S3Settings, access_key: str, secret_key: str) -> Iterator[StoredObject]:
    """Yield the S3 objects in the folder `k3s.snapshots.s3.folder` of the stack file, without objects in subfolders.

    Raises `BucketError`.
    """
    folder = f"{settings.folder.strip('/')}/" if settings.folder else ""
    after, more = "", True
    while more:
        query = {"list-type": "2", "prefix": folder} | ({"start-after": after} if after else {})
        page = _get(settings, query, access_key, secret_key)
        listed = re.findall(r"<Contents>(.*?)</Contents>", page, re.DOTALL)
        for entry in listed:
            key = _field(entry, "Key").removeprefix(folder)
            if key and "/" not in key:
                yield _object(settings, key, entry)
        more, before = "<IsTruncated>true</IsTruncated>" in page and bool(listed), after
        after = _field(listed[-1], "Key") if listed else ""
        if more and after <= before:
            raise BucketError(
                f"The S3 endpoint https://{settings.endpoint} returns an endless listing of bucket {settings.bucket}."
            )


def _object(settings: S3Settings, key: str, listed: str) -> StoredObject:
    try:
        written = datetime.fromisoformat(_field(listed, "LastModified"))
        return StoredObject(key, int(_field(listed, "Size")), written.timestamp())
    except ValueError:
        entry = f"{key[:80]!r} of bucket {settings.bucket}"
        raise BucketError(
            f"The S3 endpoint https://{settings.endpoint} lists {entry} without a valid time and size."
        ) from None


def signed_headers(
    host: str, path: str, query: Mapping[str, str], *, region: str, keys: tuple[str, str], now: float
) -> dict[str, str]:
    """Return the signed headers of a GET request to S3; `keys` contains the access key and the secret key."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    headers = {"host": host, "x-amz-content-sha256": EMPTY_SHA256, "x-amz-date": stamp}
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = "\n".join(("GET", path, encode_query(query), lines, names, EMPTY_SHA256))
    text = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()))
    key = f"AWS4{keys[1]}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    authorization = f"AWS4-HMAC-SHA256 Credential={keys[0]}/{scope}, SignedHeaders={names}, Signature={signature}"
    return headers | {"authorization": authorization}


def encode_query(query: Mapping[str, str]) -> str:
    """Encode a query string in the canonical form that AWS Signature Version 4 requires."""
    return "&".join(f"{quote(name, safe='-_.~')}={quote(query[name], safe='-_.~')}" for name in sorted(query))


def _get(settings: S3Settings, query: Mapping[str, str], access_key: str, secret_key: str) -> str:
    host, path = settings.endpoint, f"/{settings.bucket}"
    if host == AWS_ENDPOINT:  # AWS requires virtual-hosted-style addressing
        host, path = f"{settings.bucket}.s3.{settings.region}.amazonaws.com", "/"
    keys = (access_key, secret_key)
    headers = signed_headers(host, path, query, region=settings.region, keys=keys, now=time.time())
    request = urllib.request.Request(f"https://{host}{path}?{encode_query(query)}", headers=headers)
    try:
        with url_opener(_tls_context(settings)).open(request, timeout=TIMEOUT) as response:
            content: bytes = response.read(MAX_PAGE_BYTES)
    except HTTPError as error:
        with error:
            code = _field(error.read(MAX_PAGE_BYTES).decode(errors="replace"), "Code") or error.reason
        raise BucketError(
            f"The S3 endpoint https://{host} refuses to list bucket {settings.bucket}: {code} ({error.code})."
        ) from None
    except (OSError, HTTPException, TaskError) as error:
        cause = getattr(error, "reason", error)
        raise BucketError(
            f"homelab cannot reach https://{host} to list the S3 bucket {settings.bucket}: {cause}."
        ) from None
    return content.decode(errors="replace")


def _tls_context(settings: S3Settings) -> ssl.SSLContext:
    if not settings.endpoint_ca:
        return ssl.create_default_context()
    return ssl.create_default_context(cadata=base64.b64decode(settings.endpoint_ca).decode())


def _field(text: str, name: str) -> str:
    match = re.search(f"<{name}>(.*?)</{name}>", text, re.DOTALL)
    return html.unescape(match[1]) if match else ""
