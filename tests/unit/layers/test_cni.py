"""Calico and Cilium: before all others, one pod network only, who gives addresses, when nodes are waited for."""

from pathlib import Path
from typing import Any

import pytest

from components.platform.layer import LabContext
from components.platform.platform import install_order
from tests.support.cluster_fixtures import cluster, k3s_config
from tests.support.kubectl_scripts import run
from tests.support.layer_fixtures import POOL, lab, layer, objects, problems, values
from tests.support.recorder import config_of, record
from tests.support.settings_fixtures import ROOT

NONE: dict[str, Any] = {"cni": "none"}
EMPTY: Any = {}
NO_PROXY: dict[str, Any] = {"serverOptions": {"disable-kube-proxy": True}}
ADDRESSES = ["10.0.0.100-10.0.0.120"]


def on(platform: dict[str, Any], **changes: Any) -> LabContext:
    """Layers on a lab without a pod network of K3s' own."""
    return LabContext(cluster("three-servers", **{"network": NONE} | changes), lab(**platform).layers)


def balancing(**given: Any) -> dict[str, Any]:
    return {"replaceKubeProxy": True, "addresses": ADDRESSES} | given


@pytest.mark.parametrize("key", ["calico", "cilium"])
def test_all_other_layers_come_after_the_pod_network(key: str) -> None:
    found = lab(longhorn={}, monitoring={}, **{key: EMPTY})
    ordered = install_order([layer(name, found) for name in found.layers])
    assert ordered[0].key == key
    given = config_of(ROOT / "tests/settings/valid/three-servers.yaml")
    given["cluster"] = given["cluster"] | {"network": NONE}
    run = record(given | {"platform": {"longhorn": {}, key: {}}})
    release = f"{key}-{'cilium' if key == 'cilium' else 'tigera-operator'}"
    (longhorn,) = (each for each in run.registered if each.name == "longhorn-longhorn")
    assert release in {each.name for each in run.dependencies(longhorn)}


def test_calicos_crds_come_before_its_operator_and_are_no_release() -> None:
    given = config_of(ROOT / "tests/settings/valid/three-servers.yaml")
    given["cluster"] = given["cluster"] | {"network": NONE}
    run = record(given | {"platform": {"calico": {}}})
    (operator,) = (each for each in run.registered if each.name == "calico-tigera-operator")
    assert "calico-crds-crd.projectcalico.org.v1" in run.tasks_before(operator)
    assert [each.name for each in run.registered if each.type.endswith(":Release")] == [operator.name]


def test_policies_are_not_those_of_k3s_and_neither_is_the_network() -> None:
    given = k3s_config("three-servers", network=NONE)
    assert (given["flannel-backend"], given["disable-network-policy"]) == ("none", True)


def test_cilium_lets_policies_name_the_api_by_its_servers_addresses() -> None:
    assert values("cilium", on({"cilium": {}}))["policyCIDRMatchMode"] == ["nodes"]


def test_calico_has_the_networks_of_the_pods() -> None:
    found = LabContext(cluster("dual-stack"), lab(calico={}).layers)
    pods = found.cluster.network.pods
    given = layer("calico", found).values()["tigera-operator"]
    pools = given["installation"]["calicoNetwork"]["ipPools"]
    assert [each["cidr"] for each in pools] == list(pods)
    assert len(pods) == 2


def test_cilium_has_the_families_of_the_pods() -> None:
    for name, families in (
        ("dual-stack", (True, True)),
        ("ipv6-only", (False, True)),
        ("three-servers", (True, False)),
    ):
        given = values("cilium", LabContext(cluster(name), lab(cilium={}).layers))
        assert (given["ipv4"]["enabled"], given["ipv6"]["enabled"]) == families


def test_cilium_leaves_services_to_kube_proxy_unless_told_otherwise() -> None:
    given = values("cilium", on({"cilium": {}}))
    assert (given["kubeProxyReplacement"], given["l2announcements"]["enabled"]) == (False, False)
    assert "k8sServiceHost" not in given
    found = on({"cilium": balancing()}, k3s=NO_PROXY)
    given = values("cilium", found)
    assert (given["kubeProxyReplacement"], given["l2announcements"]["enabled"]) == (True, True)
    assert (given["k8sServiceHost"], given["k8sServicePort"]) == (found.cluster.endpoint_host, 6443)
    made = objects("cilium", found)
    assert made["CiliumLoadBalancerIPPool", "lan"] == {"blocks": [{"start": "10.0.0.100", "stop": "10.0.0.120"}]}
    assert made["CiliumL2AnnouncementPolicy", "lan"]["loadBalancerIPs"] is True
    assert not problems("cilium", found)


BESIDE = ": conflicts with the pod network flannel; set network.cni: none under homelab:cluster before"


@pytest.mark.parametrize("key", ["calico", "cilium"])
def test_one_pod_network_is_enough(key: str) -> None:
    (report,) = problems(key, lab(**{key: EMPTY}))
    assert report.startswith(BESIDE)
    assert not problems(key, on({key: {}}))
    both = on({"calico": {}, "cilium": {}})
    assert problems("calico", both) == [": conflicts with the pod network cilium; keep one of them"]
    assert not problems("cilium", both), "once is enough"


@pytest.mark.parametrize(
    ("given", "changes", "reports"),
    [
        (
            {"replaceKubeProxy": True},
            {},
            [
                "replaceKubeProxy: is true, but K3s still runs kube-proxy; "
                "set k3s.serverOptions: {disable-kube-proxy: true}"
            ],
        ),
        (
            {},
            {"k3s": NO_PROXY},
            [": needs kube-proxy for Services, but disable-kube-proxy disables kube-proxy; set replaceKubeProxy: true"],
        ),
        (
            {"addresses": ADDRESSES},
            {},
            ["addresses: require replaceKubeProxy; set replaceKubeProxy: true, or use metallb"],
        ),
        (
            balancing(addresses=["10.0.0.240-10.0.0.241"]),
            {"k3s": NO_PROXY},
            ["addresses.0: contains 10.0.0.240, the address of the API; choose unused addresses"],
        ),
        (
            {"replaceKubeProxy": True},
            {"k3s": NO_PROXY, "api": {"vip": "10.0.0.240", "by": "kube-vip"}},
            [
                "replaceKubeProxy: conflicts with api.by: kube-vip, which needs kube-proxy to reach the API; "
                "set api.by: keepalived"
            ],
        ),
    ],
)
def test_services_are_somebodys_work(given: Any, changes: Any, reports: list[str]) -> None:
    assert problems("cilium", on({"cilium": given}, **changes)) == reports


def test_addresses_are_given_out_once() -> None:
    found = on({"cilium": balancing(), "metallb": POOL}, k3s=NO_PROXY)
    assert problems("cilium", found) == [
        "addresses: conflict with metallb, which also assigns load-balancer IPs; remove addresses, or remove metallb"
    ]


NODE = {"NODE": "a", "ROLE": "agent"}
MESSAGE = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:cni"
LATER = '[ "$(grep -c items "$CALLED")" -lt 3 ] && printf False || printf True'


def states(everyone: str, own: str) -> str:
    """What kubectl says of the state of all nodes, of this one, and why."""
    here = f'printf "ready=%s voter= cordoned=" "$({own})"'
    return (
        f"case $* in *items*) printf '{everyone}' ;; *'].message}}') printf '{MESSAGE}' ;; *cordoned=*) {here} ;; esac"
    )


def test_without_any_pod_network_no_node_is_waited_for(calls_file: Path) -> None:
    done = run("cluster/uncordon", calls_file, states("False False", "printf False"), CNI="none", **NODE)
    assert done.status == 0, done.errors
    assert not [call for call in done.calls if " uncordon " in call]


@pytest.mark.parametrize("everyone", ["True False", "False True"])
def test_where_other_nodes_have_a_network_this_one_gets_it_too(calls_file: Path, everyone: str) -> None:
    done = run("cluster/uncordon", calls_file, states(everyone, LATER), CNI="none", **NODE)
    assert done.status == 0, done.errors
    assert len([call for call in done.calls if "items" in call]) == 3


def test_a_node_that_is_ready_is_asked_nothing_more(calls_file: Path) -> None:
    done = run("cluster/uncordon", calls_file, states("", "printf True"), CNI="flannel", **NODE)
    assert done.status == 0, done.errors
    assert not [call for call in done.calls if "items" in call]


def test_only_nodes_in_the_lan_announce_addresses_of_cilium() -> None:
    nodes = cluster("three-servers").nodes
    away = nodes[4].model_copy(update={"address": "10.9.0.15"})
    found = on({"cilium": balancing()}, k3s=NO_PROXY, nodes=(*nodes[:4], away))
    policy = objects("cilium", found)["CiliumL2AnnouncementPolicy", "lan"]
    expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["a", "b", "c", "d"]}
    assert policy["nodeSelector"] == {"matchExpressions": [expression]}
