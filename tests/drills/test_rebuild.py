"""A lab that grows from one server to three, and loses its first machine's disk: one story, told in order."""

import re
from collections.abc import Iterator

import pytest

from tests.rehearsal.bench import Rehearsal, cluster_of, rehearsal, wait_until

pytestmark = pytest.mark.drill

AUTHORITY = "cat /var/lib/rancher/k3s/server/tls/server-ca.crt"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    with rehearsal("rebuild", cluster_of(1, 0, api={}), tmp_path_factory.mktemp("rebuild")) as found:
        found.up()
        yield found


def test_one_server_becomes_three_with_a_virtual_address_in_one_run(lab: Rehearsal) -> None:
    grown = cluster_of(3, 0)["config"]["homelab:cluster"]
    lab.cluster.update(api=grown["api"], nodes=grown["nodes"])
    lab.open()
    lab.up()
    assert lab.ready() == lab.voters() == {"s1", "s2", "s3"}
    assert re.search(r"Resources:\n +\d+ unchanged\n", lab.up())


def test_an_emptied_first_server_joins_again(lab: Rehearsal) -> None:
    authority = lab.root("s2", AUTHORITY)
    wait_until(lab.answers, "the API answers")
    lab.kubectl("create", "configmap", "canary", "--from-literal=kept=yes")
    lab.lab.wipe("s1", new_host_key=True)
    lab.open()
    code, said = lab.pulumi("preview")
    assert code == 0, said
    for task in ("prepare", "join", "roll"):
        assert re.search(rf"s1-{task} .*diff: .*\+drift", said), said
    lab.up()
    assert lab.ready() == lab.voters() == {"s1", "s2", "s3"}
    assert lab.root("s1", AUTHORITY) == authority, "it founded a cluster of its own"
    assert lab.kubectl("get", "configmap", "canary", "-o", "jsonpath={.data.kept}") == "yes"
    assert re.search(r"Resources:\n +\d+ unchanged\n", lab.up())
