"""Runs all stand-in operators, each in its own thread."""

import json
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rehearsal.controllers import lets_encrypt, longhorn
from rehearsal.controllers.api import ApiClient, ApiError, KubernetesApi
from rehearsal.paths import ACME_FOLDER, VOLUMES_FOLDER

INTERVAL = 0.3  # seconds between two reconciliations


def servers(lab: Path) -> list[tuple[str, Path]]:
    """Return each server's address, and the folder on the server's simulated disk that contains K3s' certificates."""
    addresses = []
    for file in sorted((lab / "machines").glob("*/machine.json")):
        machine = json.loads(file.read_text())
        if machine["role"] == "server":
            addresses.append((str(machine["address"]), file.parent / "data/k3s/server/tls"))
    return addresses


def reconcilers(lab: Path) -> dict[str, Callable[[KubernetesApi], None]]:
    """Return the reconcile function of each stand-in operator, by the name of the simulated system."""
    return {
        "lets_encrypt": partial(lets_encrypt.reconcile, folder=lab / ACME_FOLDER),
        "longhorn": partial(longhorn.reconcile, folder=lab / VOLUMES_FOLDER),
    }


def run_controller(name: str, reconcile: Callable[[KubernetesApi], None], lab: Path) -> None:
    """Run a stand-in operator forever; log errors and retry."""
    last_error = ""
    while True:
        api = ApiClient(servers(lab))
        try:
            while True:
                reconcile(api)
                time.sleep(INTERVAL)
        except (ApiError, LookupError, TypeError, ValueError, OSError) as error:
            if last_error != str(error):
                last_error = str(error)
                print(f"{time.strftime('%H:%M:%S')} {name}: {error!r}", flush=True)
            time.sleep(1)


def start(lab: Path) -> None:
    """Start all stand-in operators in daemon threads."""
    for name, reconcile in reconcilers(lab).items():
        threading.Thread(target=run_controller, args=(name, reconcile, lab), daemon=True).start()
