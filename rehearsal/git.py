"""The rehearsal's Git server: Debian's Git and OpenSSH serve repositories in the lab's folder over HTTP and SSH.

Each Git repository `git/NAME.git` in the folder of a rehearsed lab has two URLs. `http://ADDRESS:8080/git/NAME.git`
requires no login. `ssh://git@ADDRESS:2222/git/NAME.git` requires a key from `git/authorized_keys`, which initially has
the lab's key. Git and OpenSSH run as an unprivileged user, who can read the repositories, and cannot change them.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from components.kubernetes.chart import Chart
from rehearsal import debian, root_filesystems
from rehearsal.cache import Report, obtain
from rehearsal.lab import Lab
from rehearsal.network_namespace import url_host, wait
from rehearsal.root_filesystems import GIT_SERVER, GIT_UID, REPOSITORIES
from rehearsal.shell import run

ARGO_CD_CHART = "argo-cd"
PREFIX = f"{REPOSITORIES}/"
SSH_PORT = 2222
ROOT_RECORD = "git-server.txt"
"""File in the folder of the lab's server: the path of the root file system in which Git runs."""


@dataclass(frozen=True)
class Response:
    """Git's response to an HTTP request."""

    status: int
    headers: Mapping[str, str]
    content: bytes


def ensure(lab: Lab, charts: Iterable[Chart], report: Report) -> None:
    """Start the rehearsal's Git server if `charts` contains Argo CD, which reads the repositories of the Git server."""
    if any(chart.name == ARGO_CD_CHART for chart in charts):
        serve(lab, obtain(root_filesystems.recipe(), report))


def serve(lab: Lab, built: Path) -> None:
    """Start the rehearsal's Git server; `built` is the folder with the result of `root_filesystems.recipe()`."""
    folder, state = lab.folder / "git", lab.folder / "server"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    (state / ROOT_RECORD).write_text(str(built / GIT_SERVER))
    key, keys = folder / "ssh_host_ed25519_key", folder / "authorized_keys"
    if not key.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "git", "-f", key])
    if not keys.exists():
        shutil.copyfile(lab.private_key.with_suffix(".pub"), keys)
    keys.chmod(0o644)
    os.chown(key, GIT_UID, GIT_UID)  # OpenSSH runs as this user, and must read the host key
    if _serving(lab):
        return
    command = chroot_command(built / GIT_SERVER, folder, "/usr/sbin/sshd", *_sshd(lab.address))
    log = state / "git.log"
    lab.netns.start(command, log)
    wait(lambda: _serving(lab), 20, lambda: f"The lab's Git server does not start: read {log}.")


def chroot_command(root: Path, repositories: Path, *command: str) -> list[str]:
    """Return the command line that runs `command` as the user GIT_UID in `root`, with the Git repositories mounted."""
    return debian.chroot_command(root, repositories, REPOSITORIES, *command, uid=GIT_UID)


def respond(state: Path, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Response:
    """Pass an HTTP request to Git, and return Git's response, or 404 if the rehearsal has no Git server."""
    record = state / ROOT_RECORD
    if not record.is_file():
        return Response(HTTPStatus.NOT_FOUND, {}, b"")
    parts = urlsplit(url)
    variables = {
        "GIT_PROJECT_ROOT": REPOSITORIES,
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_PROTOCOL": headers.get("Git-Protocol", ""),
        "REQUEST_METHOD": method,
        "PATH_INFO": parts.path.removeprefix(REPOSITORIES),
        "QUERY_STRING": parts.query,
        "CONTENT_TYPE": headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": headers.get("Content-Encoding", ""),
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    }
    command = chroot_command(Path(record.read_text()), state.parent / "git", "git", "http-backend")
    process = subprocess.run(command, input=body, env=variables, stdout=subprocess.PIPE, check=False)
    return _answer(process.stdout)


def _answer(printed: bytes) -> Response:
    """Parse the output of a CGI program: headers, an empty line, and the content."""
    head, _, content = printed.partition(b"\r\n\r\n")
    if not head:
        return Response(HTTPStatus.BAD_GATEWAY, {}, b"")
    lines = (line.partition(":") for line in head.decode().splitlines())
    headers = {name: value.strip() for name, _, value in lines}
    status = headers.pop("Status", "200").split()[0]
    return Response(int(status), headers, content)


def _sshd(address: str) -> list[str]:
    options = {
        "ListenAddress": url_host(address),
        "Port": str(SSH_PORT),
        "HostKey": f"{REPOSITORIES}/ssh_host_ed25519_key",
        "AuthorizedKeysFile": f"{REPOSITORIES}/authorized_keys",
        "AllowUsers": "git",
        "AuthenticationMethods": "publickey",
        "StrictModes": "no",
        "DisableForwarding": "yes",
        "PermitTTY": "no",
        "PidFile": "none",
    }
    return ["-D", "-e", "-f", "/dev/null", *(f"-o{name}={value}" for name, value in options.items())]


def _serving(lab: Lab) -> bool:
    return lab.netns.answers(lab.address, SSH_PORT, b"SSH-")
