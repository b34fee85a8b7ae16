"""Signatures (version 4) of S3 requests."""

import hashlib
import hmac
from collections.abc import Mapping
from email.message import Message
from urllib.parse import parse_qsl, quote, urlsplit


def signature_error(method: str, path: str, headers: Message, keys: Mapping[str, str]) -> str | None:
    """Return the S3 error code of an invalid signature, or None; `keys` are secret keys by access key."""
    kind, _, rest = headers.get("Authorization", "").partition(" ")
    if kind != "AWS4-HMAC-SHA256":
        return "AccessDenied"
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    access, _, scope = parts["Credential"].partition("/")
    if access not in keys:
        return "InvalidAccessKeyId"
    url = urlsplit(path)
    pairs = sorted(parse_qsl(url.query, keep_blank_values=True))
    query = "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in pairs)
    names = parts["SignedHeaders"].split(";")
    lines = "".join(f"{name}:{' '.join((headers[name] or '').split())}\n" for name in names)
    request = "\n".join((method, url.path, query, lines, ";".join(names), headers["x-amz-content-sha256"]))
    text = "\n".join(("AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashlib.sha256(request.encode()).hexdigest()))
    key = f"AWS4{keys[access]}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    right = hmac.digest(key, text.encode(), "sha256").hex()
    return None if hmac.compare_digest(right, parts["Signature"]) else "SignatureDoesNotMatch"
