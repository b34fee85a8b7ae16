"""A small S3 service in memory, with the requests of K3s, Barman, restic and homelab; it verifies every
signature, except those of the chunks of a body.

Run as `python -m tests.support.s3_server --address IP --port PORT --bucket NAME --keys ACCESS:SECRET`. With
`--state FOLDER`, the service uses TLS, and stores its CA in the folder.
"""

import argparse
import hashlib
import re
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from html import escape, unescape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from rehearsal import certificates
from tests.support.s3_signatures import signature_error

PAGE = 1000


@dataclass(frozen=True)
class StoredObject:
    content: bytes
    headers: dict[str, str]
    written: float


@dataclass
class Bucket:
    name: str
    keys: dict[str, str]
    page: int = PAGE
    objects: dict[str, StoredObject] = field(default_factory=dict)
    parts: dict[str, dict[int, bytes]] = field(default_factory=dict)
    """Parts of uncompleted objects, by upload."""


class S3Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: str, port: int, state: Path | None, bucket: Bucket) -> None:
        self.bucket = bucket
        super().__init__((address, port), Handler)
        if state is None:
            return
        files = certificates.ensure(state, address)
        self.ca = files.ca
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.server, files.key)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)


class Handler(BaseHTTPRequestHandler):
    server: S3Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name, _, key = unquote(urlsplit(self.path).path).lstrip("/").partition("/")
        if (wrong := signature_error(self.command, self.path, self.headers, self.server.bucket.keys)) is not None:
            self._fail(HTTPStatus.FORBIDDEN, wrong)
        elif name != self.server.bucket.name:
            self._fail(HTTPStatus.NOT_FOUND, "NoSuchBucket")
        elif not key and self.command == "POST":
            for each in re.findall("<Key>(.*?)</Key>", body.decode()):
                self.server.bucket.objects.pop(unescape(each), None)
            self._xml("DeleteResult", "")
        elif not key:
            self._list()
        elif self.command == "POST":
            self._upload(key)
        elif self.command == "PUT":
            self._put(key, body)
        elif key not in self.server.bucket.objects:
            self._fail(HTTPStatus.NOT_FOUND, "NoSuchKey")
        elif self.command == "DELETE":
            del self.server.bucket.objects[key]
            self._reply(b"", {}, HTTPStatus.NO_CONTENT)
        else:
            found = self.server.bucket.objects[key]
            facts = {
                "ETag": f'"{hashlib.md5(found.content).hexdigest()}"',
                "Last-Modified": formatdate(found.written, usegmt=True),
            }
            self._send_object(found.content, found.headers | facts)

    def _send_object(self, content: bytes, headers: dict[str, str]) -> None:
        """Send an object, or the range of bytes that the request asks for."""
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            self._reply(content, headers)
            return
        first, last = int(asked[1]), min(int(asked[2] or len(content) - 1), len(content) - 1)
        facts = {"Content-Range": f"bytes {first}-{last}/{len(content)}"}
        self._reply(content[first : last + 1], headers | facts, HTTPStatus.PARTIAL_CONTENT)

    def _query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))

    def _put(self, key: str, body: bytes) -> None:
        """Store an object, or a part of one."""
        query = self._query()
        if self.headers["x-amz-content-sha256"].startswith("STREAMING-"):
            body = b"".join(_chunks(body))
        if "uploadId" in query:
            self.server.bucket.parts[query["uploadId"]][int(query["partNumber"])] = body
        else:
            kept = {k: v for k, v in self.headers.items() if k.lower().startswith(("x-amz-meta-", "content-type"))}
            self.server.bucket.objects[key] = StoredObject(body, kept, time.time())
        self._reply(b"", {"ETag": f'"{hashlib.md5(body).hexdigest()}"'})

    def _upload(self, key: str) -> None:
        """Start an upload in parts, or complete it."""
        parts, upload = self.server.bucket.parts, self._query().get("uploadId")
        if upload is None:
            parts[upload := f"{time.time()}"] = {}
            self._xml("InitiateMultipartUploadResult", f"<UploadId>{upload}</UploadId>")
            return
        whole = b"".join(content for _, content in sorted(parts.pop(upload).items()))
        self.server.bucket.objects[key] = StoredObject(whole, {}, time.time())
        self._xml("CompleteMultipartUploadResult", f"<Key>{escape(key)}</Key><ETag>whole</ETag>")

    def _list(self) -> None:
        query, objects = self._query(), self.server.bucket.objects
        if "location" in query:
            self._reply(b"<LocationConstraint>us-east-1</LocationConstraint>", {})
            return
        after = max(query.get("start-after", ""), query.get("continuation-token", ""))
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        keys = sorted(key for key in objects if key.startswith(prefix) and key > after)
        page = keys[: self.server.bucket.page]
        # with a delimiter, what is below a folder is only told by the folder's name
        below = {key: key[len(prefix) :].partition(delimiter)[:2] if delimiter else ("", "") for key in page}
        folders = sorted({f"{prefix}{name}{mark}" for name, mark in below.values() if mark})
        text = "".join(_entry(key, objects[key]) for key in page if not below[key][1])
        text += "".join(f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in folders)
        if len(page) < len(keys):
            text += f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>"
        self._xml("ListBucketResult", f"<IsTruncated>{str(len(page) < len(keys)).lower()}</IsTruncated>{text}")

    def _fail(self, status: HTTPStatus, code: str) -> None:
        self._reply(f"<Error><Code>{code}</Code></Error>".encode(), {"Content-Type": "application/xml"}, status)

    def _xml(self, name: str, text: str) -> None:
        self._reply(f"<{name}>{text}</{name}>".encode(), {"Content-Type": "application/xml"})

    def _reply(self, content: bytes, headers: dict[str, str], status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _chunks(body: bytes) -> Iterator[bytes]:
    """Yield the content of the chunks of a body, each of which begins with its size in hexadecimal digits."""
    while body:
        head, _, rest = body.partition(b"\r\n")
        size = int(head.partition(b";")[0], 16)
        if not size:
            return
        yield rest[:size]
        body = rest[size + 2 :]


def _entry(key: str, found: StoredObject) -> str:
    written = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(found.written))
    return (
        f"<Contents><Key>{escape(key)}</Key><LastModified>{written}</LastModified>"
        f"<Size>{len(found.content)}</Size></Contents>"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--keys", required=True)
    options = parser.parse_args()
    access, _, secret = options.keys.partition(":")
    S3Server(options.address, options.port, options.state, Bucket(options.bucket, {access: secret})).serve_forever()


if __name__ == "__main__":
    main()
