"""A cluster whose CAs are signed by the CA of `k3s.ca`: bootstrap, joins, rotated certificates, a refused change."""

from collections.abc import Iterator
from typing import Any

import pytest

from bench.labs import stack_document
from rehearsal.certificates import ensure_issuing_ca
from tests.rehearsal.rehearsed_lab import RehearsedLab, rehearse
from tests.support.own_ca import encoded, own_ca

pytestmark = pytest.mark.drill

# the rehearsal replaces the CA by one of its own, because it does not read the user's private key
CA = {"certificate": encoded(own_ca()[0]), "privateKey": {"secret": "caKey"}}
VERIFY = """
cat >/root/own.pem <<'END'
{ca}END
openssl s_client -connect {endpoint} -CAfile /root/own.pem -verify_return_error </dev/null 2>&1
"""


def document() -> dict[str, Any]:
    stack = stack_document(3, 1, k3s={"ca": CA})
    stack["config"]["homelab:caKey"] = {"secure": "v1:placeholder"}
    return stack


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    with rehearse("own-ca", document(), tmp_path_factory.mktemp("own-ca")) as found:
        found.up()
        yield found


def chain_of(lab: RehearsedLab, endpoint: str) -> str:
    """Connect to an API server from a machine that trusts only the own CA; return what openssl says."""
    ca = ensure_issuing_ca(lab.lab.folder).certificate
    return lab.run_as_root("a1", VERIFY.format(ca=ca, endpoint=endpoint))


def servers(lab: RehearsedLab) -> list[str]:
    return [node["address"] for node in lab.cluster["nodes"] if node["role"] == "server"]


def test_all_nodes_join(lab: RehearsedLab) -> None:
    assert lab.ready_nodes() == {"s1", "s2", "s3", "a1"}


def test_who_trusts_the_own_ca_trusts_every_server(lab: RehearsedLab) -> None:
    for address in [lab.cluster["api"]["vip"], *servers(lab)]:
        assert "Verify return code: 0 (ok)" in chain_of(lab, f"{address}:6443")


def test_all_servers_have_the_same_cas(lab: RehearsedLab) -> None:
    sums = {
        lab.run_as_root(name, "cd /var/lib/rancher/k3s/server/tls && cat *-ca.crt etcd/*-ca.crt | sha256sum")
        for name in ("s1", "s2", "s3")
    }
    assert len(sums) == 1


def test_the_private_key_is_on_no_machine(lab: RehearsedLab) -> None:
    line = ensure_issuing_ca(lab.lab.folder).key.splitlines()[1]
    for name in ("s1", "s2", "s3", "a1"):
        search = f"grep -rlF -e {line} /etc /root /run /tmp /var/lib/homelab /var/lib/rancher/k3s/server || true"
        assert lab.run_as_root(name, search) == ""


def test_second_up_changes_nothing(lab: RehearsedLab) -> None:
    lab.up_changes_nothing()


def test_rotated_certificates_have_the_same_ca(lab: RehearsedLab) -> None:
    lab.cluster["k3s"]["rotation"] = {"certificates": 1}
    lab.reopen()
    lab.up()
    assert lab.ready_nodes() == {"s1", "s2", "s3", "a1"}
    assert "Verify return code: 0 (ok)" in chain_of(lab, f"{lab.cluster['api']['vip']}:6443")


def test_the_ca_of_a_running_cluster_stays(lab: RehearsedLab) -> None:
    ca, secret = lab.cluster["k3s"].pop("ca"), lab.document["config"].pop("homelab:caKey")
    lab.reopen()
    assert "These settings cannot be changed on a node of a cluster" in lab.up_fails()
    lab.cluster["k3s"]["ca"] = ca
    lab.document["config"]["homelab:caKey"] = secret
    lab.reopen()
    lab.up()
    lab.up_changes_nothing()
