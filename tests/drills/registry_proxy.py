"""An image registry over HTTPS with a certificate of its own CA, which serves the images of the lab's registry.

It runs as a program: `registry_proxy ADDRESS PORT CERTIFICATE KEY UPSTREAM`.
"""

import http.server
import ssl
import sys
import urllib.error
import urllib.request
from urllib.parse import urlsplit


def handler_for(upstream: str) -> type[http.server.BaseHTTPRequestHandler]:
    """Return the class that answers requests with what the lab's registry has of Docker Hub."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_HEAD(self) -> None:
            self._answer()

        def _answer(self) -> None:
            url = f"{upstream}{urlsplit(self.path).path}?ns=docker.io"
            headers = {name: value for name, value in self.headers.items() if name in ("Accept", "Range")}
            try:
                answer = urllib.request.urlopen(urllib.request.Request(url, method=self.command, headers=headers))
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                body = answer.read()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    if name.lower() not in ("connection", "transfer-encoding", "date", "server"):
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

    return Handler


def main(address: str, port: str, certificate: str, key: str, upstream: str) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    service = http.server.ThreadingHTTPServer((address, int(port)), handler_for(upstream))
    service.socket = context.wrap_socket(service.socket, server_side=True)
    service.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
