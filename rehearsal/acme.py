"""Stand-in for Let's Encrypt: Pebble, and a DNS server that resolves Let's Encrypt's host names to Pebble's address.

The simulated machines and their pods use the DNS server of the rehearsal. The DNS server also resolves the hosts of
Ingresses, like public DNS for a real lab (see `rehearsal.controllers.lets_encrypt`). If the stack file sets `rfc2136`,
the DNS server forwards queries for all other names in the domain of the cluster to BIND (see `rehearsal.name_server`).
"""

import os
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from components.layers.cert_manager import acme
from rehearsal import certificates, name_server, recipes, tools
from rehearsal.artefacts import Row
from rehearsal.cache import Recipe, Report, write_atomically
from rehearsal.controllers.lets_encrypt import CA_FILE, HOSTS_FILE
from rehearsal.lab import Lab
from rehearsal.name_server import NameServer
from rehearsal.network_namespace import url_host, wait
from rehearsal.paths import ACME_FOLDER
from stacks.settings import LabStack

SERVER_HOSTS = tuple(str(urlsplit(url).hostname) for _, url in acme.SERVERS.values())
PORT, MANAGEMENT_PORT, DNS_PORT = 443, 8444, 53
TIMEOUT = 30  # seconds in which both servers must answer


def is_needed(settings: LabStack) -> bool:
    """Return whether the rehearsal simulates Let's Encrypt: for HTTP-01 challenges, and for DNS-01 with RFC 2136."""
    found = name_server.acme_settings(settings)
    return found is not None and (found.http01 or found.rfc2136 is not None)


def serve(lab: Lab, settings: LabStack, report: Report) -> list[Row]:
    """Start Pebble and the DNS servers unless they run; return their rows in the table `Real and simulated`."""
    folder = lab.folder / ACME_FOLDER
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    dns01 = name_server.name_server_of(settings, lab.address)
    rows = [name_server.serve(lab, dns01, report)] if dns01 else []
    write_atomically(folder / "Corefile", corefile(folder, lab.address, dns01))
    if not _answers(lab, DNS_PORT):
        (folder / HOSTS_FILE).touch()
        _start(lab, recipes.coredns(), ["-conf", str(folder / "Corefile")], report)
    if not _answers(lab, PORT):
        # Pebble loses all ACME accounts when it stops: delete the CA file, because the rehearsal resets the accounts of
        # the issuers if the CA file is new
        (folder / CA_FILE).unlink(missing_ok=True)
        _start(lab, recipes.pebble(), pebble_options(folder, lab.address), report)
    for port in (DNS_PORT, PORT):
        wait(
            partial(_answers, lab, port),
            TIMEOUT,
            lambda: f"The lab's ACME server does not start: read {folder}/*.log.",
        )
    row = Row("Let's Encrypt", f"Pebble {recipes.PEBBLE_VERSION}, whose CA no browser trusts", real=False)
    return [row, *rows]


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


def corefile(folder: Path, address: str, dns01: NameServer | None = None) -> str:
    """Render the CoreDNS configuration that resolves Let's Encrypt's host names and the names in a hosts file.

    CoreDNS forwards queries for all other names in the zone of `dns01` to the DNS server that `dns01` describes.
    """
    names = dict.fromkeys(SERVER_HOSTS, address)
    if dns01 and dns01.host != dns01.address:
        names[dns01.host] = dns01.address
    own = "\n".join(f"        {ip} {name}" for name, ip in names.items())
    further, forward = "", ""
    if dns01:
        further = f"        fallthrough {dns01.zone}\n"
        forward = f"    forward {dns01.zone} {url_host(dns01.address)}:{DNS_PORT}\n"
    return (
        f".:{DNS_PORT} {{\n    bind {address}\n    errors\n    reload 2s 1s\n"
        f"    hosts {folder / HOSTS_FILE} {{\n{own}\n        ttl 5\n        reload 1s\n{further}    }}\n{forward}}}\n"
    )


def _start(lab: Lab, recipe: Recipe, arguments: list[str], report: Report) -> None:
    program = tools.obtain_program(recipe, report)
    log = lab.folder / ACME_FOLDER / f"{recipe.name}.log"
    lab.netns.start([program, *arguments], log, cwd="/", env=os.environ | {"PEBBLE_VA_NOSLEEP": "1"})


def _answers(lab: Lab, port: int) -> bool:
    return lab.netns.answers(lab.address, port)
