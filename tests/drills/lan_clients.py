"""Clients in the network of a rehearsed lab: a browser with cookies, and MQTT and DNS clients from Debian."""

import base64
import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rehearsal import debian
from rehearsal.shell import run
from tests.rehearsal.rehearsed_lab import RehearsedLab


class Browser:
    """A browser on a computer in the LAN, which trusts the lab's CA and resolves all names to Traefik's address."""

    def __init__(self, lab: RehearsedLab, folder: Path) -> None:
        self._lab = lab
        self._folder = folder
        self._authority = folder / "ca.pem"
        secret = json.loads(lab.kubectl("get", "secret", "-n", "cert-manager", "ca", "-o", "json"))
        self._authority.write_bytes(base64.b64decode(secret["data"]["tls.crt"]))
        self._address = str(lab.session.engine.outputs()["ingressAddress"])

    def get(self, url: str, *options: str, cookies: str = "none") -> str:
        """Send a request with curl; return the body. `cookies` is the name of the cookie jar."""
        jar = str(self._folder / f"{cookies}.cookies")
        known = ["--connect-to", f"::{self._address}:", "--cacert", str(self._authority), "-b", jar, "-c", jar]
        return run(self._lab.lab.netns.command("curl", "-sS", "--max-time", "20", *known, *options, url))

    def status(self, url: str, *options: str, cookies: str = "none") -> str:
        """Send a request; return the status of the response, and the target of a redirect."""
        written = ["-o", "/dev/null", "-w", "%{http_code} %{redirect_url}"]
        return self.get(url, *written, *options, cookies=cookies).strip()

    def answers(self, url: str) -> bool:
        """Return whether a request gets a response with the status 200."""
        words = ["-o", "/dev/null", "-w", "%{http_code}", "--max-time", "5", "--connect-to", f"::{self._address}:"]
        command = self._lab.lab.netns.command("curl", "-s", "--cacert", str(self._authority), *words, url)
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout == "200"

    def send_form(self, page: str, target: str, cookies: str, **fields: str) -> str:
        """Send the form on the page `page` to `target`, with the form's CSRF token; return status and redirect."""
        token = re.search(r'name="csrf" value="([^"]+)"', self.get(page, cookies=cookies))
        assert token, f"{page} has no form with a CSRF token"
        data = [
            word
            for name, value in {"csrf": token[1], **fields}.items()
            for word in ("--data-urlencode", f"{name}={value}")
        ]
        return self.status(target, *data, cookies=cookies)

    def call(self, url: str, user: str, data: Mapping[str, Any] | None = None) -> Any:
        """Call a JSON API as `user` (NAME:PASSWORD); return the JSON of the response, or its text if it is not JSON."""
        sent = ["-H", "Content-Type: application/json", "--data", json.dumps(data)] if data is not None else []
        said = self.get(url, "--fail-with-body", "-u", user, *sent)
        return json.loads(said) if said.startswith(("{", "[")) else said


class DebianClients:
    """Debian's programs in the root file system `tree`, which run in the network of the lab; `folder` is their /tmp."""

    def __init__(self, lab: RehearsedLab, tree: Path, folder: Path) -> None:
        self._lab, self._tree, self.folder = lab, tree, folder

    def command(self, *words: str) -> list[str]:
        """Return the command line of a program in the network of the lab."""
        return self._lab.lab.netns.command(*debian.chroot_command(self._tree, self.folder, "/tmp", *words))

    def run(self, *words: str, code: int = 0) -> str:
        """Run a program, which exits with `code`; return its output."""
        done = self._run(*words)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def resolve(self, name: str, server: str, *options: str) -> list[str]:
        """Ask a DNS server for the addresses of a name; return no addresses if the server does not answer."""
        done = self._run("dig", "+short", "+tries=1", "+time=5", *options, f"@{server}", name, "A")
        return done.stdout.split() if done.returncode == 0 else []

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(self.command(*words), capture_output=True, text=True, check=False, timeout=120)
        print(f"$ {' '.join(words)}\n{done.stdout}{done.stderr}", flush=True)
        return done
