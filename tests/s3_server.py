"""A small S3 service in memory, as far as K3s' client and ours need it; every signature is verified.

Run as `python -m tests.s3_server --address IP --port PORT --state FOLDER --bucket NAME --keys ACCESS:SECRET`.
"""

import argparse
import hashlib
import hmac
import ssl
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from rehearsal import certificates

PAGE = 1000


@dataclass(frozen=True)
class Stored:
    content: bytes
    headers: dict[str, str]
    written: float


@dataclass
class Bucket:
    name: str
    keys: dict[str, str]
    page: int = PAGE
    objects: dict[str, Stored] = field(default_factory=dict)


class Service(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: str, port: int, state: Path, bucket: Bucket) -> None:
        self.bucket = bucket
        super().__init__((address, port), Handler)
        files = certificates.ensure(state, address)
        self.authority = files.authority
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.server, files.key)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)


class Handler(BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name, _, key = unquote(urlsplit(self.path).path).lstrip("/").partition("/")
        if (wrong := self._forged()) is not None:
            self._fail(HTTPStatus.FORBIDDEN, wrong)
        elif name != self.server.bucket.name:
            self._fail(HTTPStatus.NOT_FOUND, "NoSuchBucket")
        elif not key:
            self._list()
        elif self.command == "PUT":
            kept = {k: v for k, v in self.headers.items() if k.lower().startswith(("x-amz-meta-", "content-type"))}
            self.server.bucket.objects[key] = Stored(body, kept, time.time())
            self._reply(b"", {"ETag": f'"{hashlib.md5(body).hexdigest()}"'})
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
            self._reply(found.content, found.headers | facts)

    def _list(self) -> None:
        query = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        if "location" in query:
            self._reply(b"<LocationConstraint>us-east-1</LocationConstraint>", {})
            return
        after = query.get("start-after", "")
        objects = self.server.bucket.objects
        keys = sorted(key for key in objects if key.startswith(query.get("prefix", "")) and key > after)
        page = keys[: self.server.bucket.page]
        text = "".join(_entry(key, objects[key]) for key in page)
        cut = str(len(page) < len(keys)).lower()
        self._reply(
            f"<ListBucketResult><IsTruncated>{cut}</IsTruncated>{text}</ListBucketResult>".encode(),
            {"Content-Type": "application/xml"},
        )

    def _forged(self) -> str | None:
        """What is wrong with the request's signature."""
        kind, _, rest = self.headers.get("Authorization", "").partition(" ")
        if kind != "AWS4-HMAC-SHA256":
            return "AccessDenied"
        parts = dict(part.strip().split("=", 1) for part in rest.split(","))
        access, _, scope = parts["Credential"].partition("/")
        if access not in self.server.bucket.keys:
            return "InvalidAccessKeyId"
        url = urlsplit(self.path)
        pairs = sorted(parse_qsl(url.query, keep_blank_values=True))
        query = "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in pairs)
        names = parts["SignedHeaders"].split(";")
        lines = "".join(f"{name}:{' '.join((self.headers[name] or '').split())}\n" for name in names)
        request = "\n".join(
            (self.command, url.path, query, lines, ";".join(names), self.headers["x-amz-content-sha256"])
        )
        text = "\n".join(
            ("AWS4-HMAC-SHA256", self.headers["x-amz-date"], scope, hashlib.sha256(request.encode()).hexdigest())
        )
        key = f"AWS4{self.server.bucket.keys[access]}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        right = hmac.digest(key, text.encode(), "sha256").hex()
        return None if hmac.compare_digest(right, parts["Signature"]) else "SignatureDoesNotMatch"

    def _fail(self, status: HTTPStatus, code: str) -> None:
        self._reply(f"<Error><Code>{code}</Code></Error>".encode(), {"Content-Type": "application/xml"}, status)

    def _reply(self, content: bytes, headers: dict[str, str], status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _entry(key: str, found: Stored) -> str:
    written = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(found.written))
    return (
        f"<Contents><Key>{escape(key)}</Key><LastModified>{written}</LastModified>"
        f"<Size>{len(found.content)}</Size></Contents>"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--keys", required=True)
    options = parser.parse_args()
    access, _, secret = options.keys.partition(":")
    Service(options.address, options.port, options.state, Bucket(options.bucket, {access: secret})).serve_forever()


if __name__ == "__main__":
    main()
