"""Stand-in for Let's Encrypt: Pebble, and a DNS server that resolves Let's Encrypt's host names to Pebble's address.

The simulated machines and their pods use the DNS server of the rehearsal. The DNS server also resolves the hosts of
Ingresses, like public DNS for a real lab (see `rehearsal.controllers.lets_encrypt`).
"""

import os
import subprocess
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from components.layers.cert_manager import acme
from components.layers.cert_manager.layer import CertManagerSettings
from rehearsal import certificates, recipes, tools
from rehearsal.artefacts import Row
from rehearsal.cache import Recipe, Report
from rehearsal.controllers.lets_encrypt import CA_FILE, HOSTS_FILE
from rehearsal.lab import Lab
from rehearsal.namespace import url_host, wait
from rehearsal.paths import ACME_FOLDER
from stacks.settings import LabStack

SERVER_HOSTS = tuple(str(urlsplit(url).hostname) for _, url in acme.SERVERS.values())
PORT, MANAGEMENT_PORT, DNS_PORT = 443, 8444, 53
TIMEOUT = 30  # seconds in which both servers must answer


def is_needed(settings: LabStack) -> bool:
    """Return whether the stack file requests Let's Encrypt certificates that need HTTP-01 challenges."""
    layer = settings.platform.enabled_layers().get("certManager")
    return isinstance(layer, CertManagerSettings) and layer.acme is not None and layer.acme.http01


def serve(lab: Lab, report: Report) -> Row:
    """Start Pebble and the DNS server unless both run; return Pebble's row in the table `Real and simulated`."""
    folder = lab.folder / ACME_FOLDER
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not _answers(lab, DNS_PORT):
        (folder / HOSTS_FILE).touch()
        (folder / "Corefile").write_text(corefile(folder, lab.address))
        _start(lab, recipes.coredns(), ["-conf", str(folder / "Corefile")], report)
    if not _answers(lab, PORT):
        # a restarted Pebble has lost all ACME accounts; a new CA file makes the rehearsal reset the issuers' accounts
        (folder / CA_FILE).unlink(missing_ok=True)
        _start(lab, recipes.pebble(), pebble_options(folder, lab.address), report)
    for port in (DNS_PORT, PORT):
        wait(
            partial(_answers, lab, port),
            TIMEOUT,
            lambda: f"The lab's ACME server does not start: read {folder}/*.log.",
        )
    return Row("Let's Encrypt", f"Pebble {recipes.PEBBLE_VERSION}, whose CA no browser trusts", real=False)


def pebble_options(folder: Path, address: str) -> list[str]:
    """Build the command-line options of Pebble, which is an ACME test server."""
    files, host = certificates.ensure(folder, address, SERVER_HOSTS), url_host(address)
    return [
        f"-listen={host}:{PORT}",
        f"-manage={host}:{MANAGEMENT_PORT}",
        f"-certificate={files.server}",
        f"-key={files.key}",
        f"-nameserver={host}:{DNS_PORT}",
    ]


def corefile(folder: Path, address: str) -> str:
    """Render the CoreDNS configuration that resolves Let's Encrypt's host names and the names in a hosts file."""
    own = "\n".join(f"        {address} {name}" for name in SERVER_HOSTS)
    return (
        f".:{DNS_PORT} {{\n    bind {address}\n    errors\n"
        f"    hosts {folder / HOSTS_FILE} {{\n{own}\n        ttl 5\n        reload 1s\n    }}\n}}\n"
    )


def _start(lab: Lab, recipe: Recipe, arguments: list[str], report: Report) -> None:
    program = tools.obtain_program(recipe, report)
    with (lab.folder / ACME_FOLDER / f"{recipe.name}.log").open("ab") as log:
        subprocess.Popen(
            lab.namespace.command(program, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env=os.environ | {"PEBBLE_VA_NOSLEEP": "1"},
        )


def _answers(lab: Lab, port: int) -> bool:
    return lab.namespace.answers(lab.address, port)
