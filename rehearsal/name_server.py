"""The rehearsal's DNS server for DNS-01 challenges: BIND from Debian's packages, which accepts updates (RFC 2136).

BIND has the address, the port and the TSIG key name of the setting `certManager.acme.rfc2136`, and is authoritative for
the domain of the cluster.
"""

import base64
import hashlib
import os
import shutil
import signal
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from components.layers.cert_manager.acme import AcmeSettings
from components.layers.cert_manager.layer import CertManagerSettings
from components.settings.addresses import is_address
from rehearsal import debian, machine_specs
from rehearsal.artefacts import Row
from rehearsal.cache import Recipe, Report, code_of, obtain, write_atomically
from rehearsal.debian import RootFilesystem
from rehearsal.lab import Lab
from rehearsal.network_namespace import free_address, wait
from rehearsal.paths import ACME_FOLDER
from rehearsal.shell import RehearsalError
from stacks.settings import LabStack

TSIG_SECRET = base64.b64encode(hashlib.sha256(b"rehearsal").digest()).decode()
"""The secret of the TSIG key, which replaces the user's secret in the rehearsal's stack file."""
PORT = 53
TIMEOUT = 30  # seconds in which BIND must answer
PACKAGES = ("bind9", "bind9-dnsutils")
STATE = "/var/lib/bind"
"""Folder with BIND's files in the root file system of BIND."""
ROOT_FILESYSTEM = RootFilesystem(
    ("usr/sbin/named", "usr/bin/dig"),
    ("root:x:0:0::/:/bin/sh",),
    folders=(STATE.removeprefix("/"), "dev"),
)
_ALGORITHMS = {
    "HMACMD5": "hmac-md5",
    "HMACSHA1": "hmac-sha1",
    "HMACSHA256": "hmac-sha256",
    "HMACSHA512": "hmac-sha512",
}


@dataclass(frozen=True)
class NameServer:
    """The DNS server of a stack file: the zone, and the host, the IP address and the TSIG key of the DNS server."""

    zone: str
    host: str
    address: str
    port: int
    key_name: str
    algorithm: str


def recipe() -> Recipe:
    """Recipe of BIND's root file system."""

    def make(folder: Path) -> None:
        work = folder / "work"
        work.mkdir()
        debian.assemble(ROOT_FILESYSTEM, debian.unpack(PACKAGES, work), folder / "bind")
        shutil.rmtree(work)

    ingredients = (*PACKAGES, repr(ROOT_FILESYSTEM), code_of(debian.__file__))
    return Recipe("bind", debian.RELEASE, ingredients, "from Debian's packages, half a minute", make)


def acme_settings(settings: LabStack) -> AcmeSettings | None:
    """Return the setting `certManager.acme`, or None if the stack file does not contain the setting."""
    layer = settings.platform.enabled_layers().get("certManager")
    return layer.acme if isinstance(layer, CertManagerSettings) else None


def name_server_of(settings: LabStack, gateway: str) -> NameServer | None:
    """Return the DNS server for the DNS-01 challenges of a stack; `gateway` is the host's address in the lab."""
    acme = acme_settings(settings)
    if acme is None or acme.rfc2136 is None:
        return None
    rfc2136 = acme.rfc2136
    parts = urlsplit(f"dns://{rfc2136.nameserver}")
    host = str(parts.hostname)
    taken = {gateway, *machine_specs.used_addresses(settings.cluster)}
    if host in taken:
        raise RehearsalError(
            f"certManager.acme.rfc2136.nameserver ({host}) is the address of a machine or of the API: the rehearsal "
            "runs its own DNS server at this address, so use another address for the rehearsal."
        )
    address = host if is_address(host) else free_address(machine_specs.lan(settings.cluster), taken)
    algorithm = _ALGORITHMS[rfc2136.tsig_algorithm]
    return NameServer(settings.cluster.domain, host, address, parts.port or PORT, rfc2136.tsig_key_name, algorithm)


def serve(lab: Lab, server: NameServer, report: Report) -> Row:
    """Start BIND unless BIND runs with the same configuration; return BIND's row in the table `Real and simulated`."""
    root, folder = obtain(recipe(), report) / "bind", _folder(lab)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lab.netns.add_address(server.address)
    zone, configuration = folder / f"{server.zone}.zone", folder / "named.conf"
    if not zone.exists():
        zone.write_text(zone_file(server))
    wanted, log = named_conf(server), folder / "named.log"
    answers = partial(lab.netns.answers, server.address, PORT)
    if not (answers() and configuration.exists() and configuration.read_text() == wanted):
        _stop(lab)
        wait(lambda: not answers(), TIMEOUT, lambda: f"The lab's DNS server does not stop: read {log}.")
        write_atomically(configuration, wanted)
        # -g: BIND stays in the foreground, and logs to its standard error
        command = chroot_command(lab, root, "/usr/sbin/named", "-g", "-c", f"{STATE}/{configuration.name}")
        lab.netns.start(command, log)
        wait(answers, TIMEOUT, lambda: f"The lab's DNS server does not start: read {log}.")
    return Row("DNS server of certManager.acme.rfc2136", "BIND, Debian's package, with the lab's TSIG key", real=False)


def named_conf(server: NameServer) -> str:
    """Render BIND's configuration. The TSIG key may change only TXT records."""
    family, other = ("listen-on-v6", "listen-on") if ":" in server.address else ("listen-on", "listen-on-v6")
    ports = "\n".join(f"    {family} port {port} {{ {server.address}; }};" for port in sorted({PORT, server.port}))
    return f"""options {{
    directory "{STATE}";
{ports}
    {other} {{ none; }};
    pid-file "{STATE}/named.pid";
    session-keyfile none;
    recursion no;
    dnssec-validation no;
    notify no;
}};
controls {{ }};
key "{server.key_name}" {{
    algorithm {server.algorithm};
    secret "{TSIG_SECRET}";
}};
zone "{server.zone}" {{
    type primary;
    file "{server.zone}.zone";
    update-policy {{ grant {server.key_name} zonesub TXT; }};
}};
"""


def zone_file(server: NameServer) -> str:
    """Render the first content of the zone, in which all answers expire after five seconds."""
    kind = "AAAA" if ":" in server.address else "A"
    return f"$TTL 5\n@ SOA ns hostmaster 1 3600 600 86400 5\n@ NS ns\nns {kind} {server.address}\n"


def chroot_command(lab: Lab, root: Path, *command: str) -> list[str]:
    """Return the command line that runs a program of BIND's packages, in BIND's root file system `root`."""
    return debian.chroot_command(root, _folder(lab), STATE, *command)


def _stop(lab: Lab) -> None:
    pid_file = _folder(lab) / "named.pid"
    # after a restart of the computer, another process can have the PID
    if pid_file.exists() and (pid := int(pid_file.read_text())) in lab.netns.processes():
        os.kill(pid, signal.SIGKILL)


def _folder(lab: Lab) -> Path:
    return lab.folder / ACME_FOLDER / "bind"
