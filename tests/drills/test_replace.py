"""Every machine of a lab is emptied in turn, and one dies and is replaced; the cluster stays the same."""

import re
import time
from collections.abc import Callable, Iterator

import pytest

from tests.rehearsal.bench import Rehearsal, cluster_of, rehearsal, wait_until

pytestmark = pytest.mark.drill

Figure = Callable[[str, str], None]
AUTHORITY = "cat /var/lib/rancher/k3s/server/tls/server-ca.crt"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    with rehearsal("replace", cluster_of(3, 1), tmp_path_factory.mktemp("replace")) as found:
        found.up()
        found.kubectl("create", "configmap", "canary", "--from-literal=kept=yes")
        yield found


def well(lab: Rehearsal, servers: set[str]) -> None:
    assert (lab.ready(), lab.voters()) == (servers | {"a1"}, servers)
    assert lab.kubectl("get", "configmap", "canary", "-o", "jsonpath={.data.kept}") == "yes"
    assert re.search(r"Resources:\n +\d+ unchanged\n", lab.up())


@pytest.mark.parametrize("name", ["s1", "s2", "s3", "a1"])
def test_an_emptied_machine_comes_back(name: str, lab: Rehearsal, figure: Figure) -> None:
    authority = lab.root("s2" if name == "s1" else "s1", AUTHORITY)
    lab.lab.wipe(name, new_host_key=True)
    lab.open()
    began = time.monotonic()
    lab.up()
    figure(f"{name} emptied and rebuilt", f"{time.monotonic() - began:.0f} s")
    well(lab, {"s1", "s2", "s3"})
    assert name == "a1" or lab.root(name, AUTHORITY) == authority


def test_a_dead_first_server_is_replaced_in_one_run(lab: Rehearsal, figure: Figure) -> None:
    lab.lab.power_off("s1")
    wait_until(lambda: "s1" not in lab.ready(), "s1 is missed")
    another = cluster_of(4, 0)["config"]["homelab:cluster"]["nodes"][-1]
    lab.cluster["nodes"] = [another, *(node for node in lab.cluster["nodes"] if node["name"] != "s1")]
    lab.open()
    began = time.monotonic()
    said = lab.up()
    figure("dead first server replaced", f"{time.monotonic() - began:.0f} s")
    assert "s1 (10.9.0.11) does not answer" in said
    well(lab, {"s2", "s3", "s4"})


def test_a_removal_that_would_cost_the_majority_is_refused_before_anything(lab: Rehearsal) -> None:
    lab.lab.power_off("s4")
    wait_until(lambda: "s4" not in lab.ready(), "s4 is missed")
    whole = list(lab.cluster["nodes"])
    another = cluster_of(5, 0)["config"]["homelab:cluster"]["nodes"][-1]
    lab.cluster["nodes"] = [another if node["name"] == "s3" else node for node in whole]
    lab.open()
    code, said = lab.pulumi("preview")
    assert code != 0
    assert (
        "Without s3 etcd would have no majority; nothing was touched: only 1 of the 2 other servers are Ready" in said
    )
    lab.cluster["nodes"] = whole
    lab.open()
