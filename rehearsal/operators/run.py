"""Runs all operators, each in a thread of its own."""

import json
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rehearsal.operators import lets_encrypt, longhorn
from rehearsal.operators.api import Api, ApiError, Objects
from rehearsal.places import ACME, VOLUMES

PAUSE = 0.3  # seconds between two looks


def servers(lab: Path) -> list[tuple[str, Path]]:
    """The servers of a lab by address, with the folder of K3s' certificates on their disks."""
    found = []
    for file in sorted((lab / "machines").glob("*/machine.json")):
        machine = json.loads(file.read_text())
        if machine["role"] == "server":
            found.append((str(machine["address"]), file.parent / "data/k3s/server/tls"))
    return found


def operators(lab: Path) -> dict[str, Callable[[Objects], None]]:
    """What is done over and over, by the name of the system whose program would do it."""
    return {
        "lets_encrypt": partial(lets_encrypt.reconcile, folder=lab / ACME),
        "longhorn": partial(longhorn.reconcile, folder=lab / VOLUMES),
    }


def operate(name: str, reconcile: Callable[[Objects], None], lab: Path) -> None:
    """Run one operator for ever; what fails is tried again."""
    said = ""
    while True:
        api = Api(servers(lab))
        try:
            while True:
                reconcile(api)
                time.sleep(PAUSE)
        except (ApiError, LookupError, TypeError, ValueError, OSError) as error:
            if said != str(error):
                said = str(error)
                print(f"{time.strftime('%H:%M:%S')} {name}: {error!r}", flush=True)
            time.sleep(1)


def start(lab: Path) -> None:
    """Start them; they end with the process."""
    for name, reconcile in operators(lab).items():
        threading.Thread(target=operate, args=(name, reconcile, lab), daemon=True).start()
