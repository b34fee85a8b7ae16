"""`pulumi up` is killed at twenty points, from bare machines to a platform; each run continues the previous one."""

import contextlib
import re
import time
from collections.abc import Iterator

import pytest
import yaml

from bench.labs import stack_document
from rehearsal.shell import RehearsalError
from tests.drills.measurements import Recorder
from tests.rehearsal.rehearsed_lab import RehearsedLab, rehearse

pytestmark = pytest.mark.drill

# each run is killed at the first of these output lines at which no earlier run was killed
CLUSTER = [
    r"s1-prepare .*checking the machine",
    r"a1-prepare .*checking the machine",
    r"cluster-found .*fetching k3s",
    r"cluster-found .*bootstrapping the cluster",
    r"s2-join .*fetching k3s",
    r"s3-join .*waiting for the API endpoint",
    r"cluster-tokens creating",
    r"s\d-roll .*waiting for \w+ to vote in etcd",
    r"cluster-kubeconfig creating",
    r"a1-roll .*waiting for a1 to be Ready",
]
PLATFORM = [
    r"platform-releases creating",
    r"metallb-namespace creating",
    r"Release metallb-metallb creating",
    r"Release certManager-cert-manager creating",
    r"Release traefik-traefik creating",
    r"Release longhorn-longhorn creating",
    r"metallb-gate creating",
    r"certManager-gate creating",
    r"certManager-certificate-ca creating",
    r"cluster-retire creating",
]
HELM_SECONDS = 8  # seconds to wait until Helm starts a release


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    document = stack_document(3, 1)
    document["config"]["homelab:platform"] = {
        "metallb": {"addresses": ["10.9.0.200-10.9.0.220"]},
        "certManager": {},
        "traefik": {},
        "longhorn": {},
    }
    with rehearse("killed", document, tmp_path_factory.mktemp("killed")) as found:
        yield found


def releases(lab: RehearsedLab) -> dict[str, str]:
    """Return the status of each Helm release's last revision, by name."""
    items = yaml.safe_load(lab.run_as_root("s1", "k3s kubectl get secrets -A -l owner=helm -o yaml"))["items"]
    labels = sorted((item["metadata"]["labels"] for item in items), key=lambda found: int(found["version"]))
    return {found["name"]: found["status"] for found in labels}


def wait_for_helm(lab: RehearsedLab, line: str) -> None:
    """Wait until Helm has started the release that the line names."""
    found = re.search(r"Release \w+?-([\w-]+) creating", line)
    end = time.monotonic() + HELM_SECONDS
    while found and time.monotonic() < end:
        with contextlib.suppress(RehearsalError):
            if releases(lab).get(found[1], "").startswith("pending"):
                return
        time.sleep(0.2)


def test_twenty_killed_runs_are_completed(lab: RehearsedLab, record: Recorder) -> None:
    points = CLUSTER + PLATFORM
    while points:
        line = lab.kill_up_at("|".join(points), lambda line: wait_for_helm(lab, line))
        points = [point for point in points if not re.search(point, line)]
        print(f"killed at: {line.strip()}", flush=True)
        lab.reopen()
    start = time.monotonic()
    lab.up()
    seconds = time.monotonic() - start
    lab.up_changes_nothing()
    assert lab.ready_nodes() == {"s1", "s2", "s3", "a1"}
    assert lab.etcd_voters() == {"s1", "s2", "s3"}
    assert set(releases(lab).values()) == {"deployed"}
    record("`up` killed at 20 points", f"each run continued by the next, the last one in {seconds:.0f} s")
