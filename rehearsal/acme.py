"""Let's Encrypt, as far as a lab has use for it: Pebble under its names, and a name server that knows them.

The name server is the one that machines have, so it is their pods', too. Hosts of Ingresses get their addresses there,
as the names of a lab have them on the Internet: see `rehearsal.operators.lets_encrypt`.
"""

import os
import subprocess
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from components import acme
from components.layers.cert_manager import CertManagerSettings
from rehearsal import certificates, recipes, tools
from rehearsal.artefacts import Row
from rehearsal.cache import Recipe, Report
from rehearsal.lab import Lab
from rehearsal.namespace import url_host, wait
from rehearsal.operators.lets_encrypt import AUTHORITY, KNOWN
from rehearsal.places import ACME
from stacks.settings import Settings

SERVERS = tuple(str(urlsplit(url).hostname) for _, url in acme.SERVERS.values())
PORT, MANAGEMENT_PORT, NAMES_PORT = 443, 8444, 53
PATIENCE = 30  # seconds until both answer


def wanted(settings: Settings) -> bool:
    """Whether the stack file asks for certificates of Let's Encrypt in a way that works in a lab."""
    found = settings.platform.layers().get("certManager")
    return isinstance(found, CertManagerSettings) and found.acme is not None and found.acme.http01


def serve(lab: Lab, report: Report) -> Row:
    """Start what of the two does not run; the row for the table that says what is real."""
    folder = lab.folder / ACME
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not _answers(lab, NAMES_PORT):
        (folder / KNOWN).touch()
        (folder / "Corefile").write_text(corefile(folder, lab.address))
        _start(lab, recipes.coredns(), ["-conf", str(folder / "Corefile")], report)
    if not _answers(lab, PORT):
        # it remembers nothing: issuers register anew with one that they do not trust yet
        (folder / AUTHORITY).unlink(missing_ok=True)
        _start(lab, recipes.pebble(), options(folder, lab.address), report)
    for port in (NAMES_PORT, PORT):
        wait(
            partial(_answers, lab, port), PATIENCE, lambda: f"The lab's ACME server does not start: see {folder}/*.log."
        )
    return Row("Let's Encrypt", f"Pebble {recipes.PEBBLE}, whose certificates nobody trusts", real=False)


def options(folder: Path, address: str) -> list[str]:
    """What Pebble is told."""
    files, host = certificates.ensure(folder, address, SERVERS), url_host(address)
    return [
        f"-listen={host}:{PORT}",
        f"-manage={host}:{MANAGEMENT_PORT}",
        f"-certificate={files.server}",
        f"-key={files.key}",
        f"-nameserver={host}:{NAMES_PORT}",
    ]


def corefile(folder: Path, address: str) -> str:
    """What the name server knows: Let's Encrypt's names, and the hosts in its file."""
    own = "\n".join(f"        {address} {name}" for name in SERVERS)
    return (
        f".:{NAMES_PORT} {{\n    bind {address}\n    errors\n"
        f"    hosts {folder / KNOWN} {{\n{own}\n        ttl 5\n        reload 1s\n    }}\n}}\n"
    )


def _start(lab: Lab, recipe: Recipe, told: list[str], report: Report) -> None:
    program = tools.program(recipe, report)
    with (lab.folder / ACME / f"{recipe.name}.log").open("ab") as log:
        subprocess.Popen(
            lab.namespace.command(program, *told),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env=os.environ | {"PEBBLE_VA_NOSLEEP": "1"},
        )


def _answers(lab: Lab, port: int) -> bool:
    return lab.namespace.answers(lab.address, port)
