"""MetalLB: ranges, pools, and to whom they are announced."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from components.layers.metallb.layer import MetalLB, MetalLBSettings
from components.layers.shared import address_pools
from components.platform.layer import LabContext
from components.settings import addresses
from components.settings.model import SecretRef
from tests.support.cluster_fixtures import cluster
from tests.support.layer_fixtures import PEER, POOL, lab, layer, objects, problems, values


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("10.0.0.8/29", "10.0.0.8/29"),
        ("10.0.0.1 - 10.0.0.1", "10.0.0.1-10.0.0.1"),
        ("FD00:0::1-fd00::00ff", "fd00::1-fd00::ff"),
    ],
)
def test_range_has_one_form(given: str, canonical: str) -> None:
    assert addresses.address_range(given) == canonical


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("10.0.0.9-10.0.0.1", "ends before it starts; write 10.0.0.1-10.0.0.9"),
        ("10.0.0.1", "is not an address range"),
        ("10.0.0.1-9", "is not an address range"),
        ("10.0.0.1-10.0.0.2-10.0.0.3", "is not an address range"),
        ("10.0.0.1-fd00::1", "must have a first and last address of the same IP family, without zone IDs"),
        ("10.0.0.9/29", "has host bits set; write 10.0.0.8/29"),
        ("127.0.0.0/8", "is a loopback address"),
        ("10.0.0.1-224.0.0.1", "is a multicast address"),
    ],
)
def test_what_is_no_range_is_refused(given: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        MetalLBSettings.model_validate({"addresses": [given]})


def test_first_address_is_none_that_old_devices_take_for_a_broadcast() -> None:
    assert address_pools.first_address(["fd00::8/125", "10.0.1.255-10.0.2.9"], 4) == "10.0.2.1"
    assert address_pools.first_address(["10.0.1.0/30", "fd00::8/125"], 6) == "fd00::8"
    assert address_pools.first_address(["10.0.0.255-10.0.1.0"], 4) is None


def test_pool_is_announced_in_the_lan_without_frr() -> None:
    found = lab(metallb=POOL)
    assert values("metallb", found)["frrk8s"] == values("metallb", found)["speaker"]["frr"] == {"enabled": False}
    assert objects("metallb", found) == {
        ("IPAddressPool", "default"): POOL | {"autoAssign": True, "avoidBuggyIPs": True},
        ("L2Advertisement", "lan"): {"ipAddressPools": ["default"]},
    }
    assert not layer("metallb", found).objects_before_charts()
    assert not problems("metallb", found)


def test_only_nodes_in_the_lan_announce_addresses_of_the_lan() -> None:
    nodes = cluster("three-servers").nodes
    away = nodes[4].model_copy(update={"address": "10.9.0.15"})
    found = replace(lab(metallb=POOL), cluster=cluster("three-servers", nodes=(*nodes[:4], away)))
    (selector,) = objects("metallb", found)["L2Advertisement", "lan"]["nodeSelectors"]
    names = ["a", "b", "c", "d"]
    assert selector == {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": names}]}
    assert not problems("metallb", found)


def test_some_pools_are_announced_to_routers() -> None:
    peer = PEER | {"port": 1179, "ebgpMultiHop": True, "holdTime": 30, "password": {"secret": "bgp"}}
    routed = {"addresses": ["192.168.7.0/24"], "autoAssign": True}
    bgp = {"asn": 64512, "pools": ["routed"], "peers": [peer, {"address": "fd00::1", "asn": 64512}]}
    found = lab(metallb=POOL | {"pools": {"routed": routed, "kept": {"addresses": ["10.0.0.221/32"]}}, "bgp": bgp})
    made = objects("metallb", found)
    assert values("metallb", found)["frrk8s"] == {"enabled": True}
    assert made["L2Advertisement", "lan"] == {"ipAddressPools": ["default", "kept"]}
    assert made["BGPAdvertisement", "routers"] == {"ipAddressPools": ["routed"]}
    assert [made["IPAddressPool", name]["autoAssign"] for name in ("default", "routed", "kept")] == [True, True, False]
    assert made["BGPPeer", "peer-10-0-0-1"] == {
        "myASN": 64512,
        "peerASN": 64513,
        "peerAddress": "10.0.0.1",
        "peerPort": 1179,
        "ebgpMultiHop": True,
        "holdTime": "30s",
        "passwordSecret": {"name": "peer-10-0-0-1", "namespace": "metallb-system"},
    }
    other = made["BGPPeer", "peer-fd00-0000-0000-0000-0000-0000-0000-0001"]
    assert "passwordSecret" not in other
    assert other["holdTime"] == "9s"
    (secret,) = layer("metallb", found).objects_before_charts()
    assert secret["metadata"] == made["BGPPeer", "peer-10-0-0-1"]["passwordSecret"]
    assert (secret["type"], secret["stringData"]) == ("kubernetes.io/basic-auth", {"password": SecretRef(secret="bgp")})
    assert not problems("metallb", found)


def test_all_pools_go_to_routers_where_none_is_named() -> None:
    found = lab(metallb={"addresses": ["192.168.7.0/24"], "bgp": {"asn": 64512, "peers": [PEER]}})
    assert {kind for kind, _ in objects("metallb", found)} == {"IPAddressPool", "BGPPeer", "BGPAdvertisement"}
    assert not problems("metallb", found)


FREE = "choose unused addresses"
LAN = "choose addresses in the lan, set cluster.lan, or announce the pool over BGP (bgp)"


@pytest.mark.parametrize(
    ("given", "report"),
    [
        ({"addresses": []}, ["addresses: is empty; add a range or a CIDR"]),
        (
            POOL | {"pools": {"a": {"addresses": []}}},
            ["pools.a.addresses: is empty; add a range or a CIDR"],
        ),
        (
            POOL | {"pools": {"default": {"addresses": ["10.0.0.230/32"]}}},
            ["pools.default: is the name of the pool that metallb.addresses defines; choose another name"],
        ),
        (
            POOL | {"pools": {"a": {"addresses": ["10.0.0.216/29"]}}},
            ["pools.a.addresses.0: overlaps 10.0.0.200-10.0.0.220; list each address in only one range of one pool"],
        ),
        ({"addresses": ["10.0.0.15-10.0.0.20"]}, [f"addresses.0: contains 10.0.0.15, the address of e; {FREE}"]),
        ({"addresses": ["10.0.0.240/29"]}, [f"addresses.0: contains 10.0.0.240, the address of the API; {FREE}"]),
        (
            {"addresses": ["10.42.9.0/30"]},
            [
                f"addresses.0: contains 10.42.0.0/16, a pod CIDR; {FREE}",
                f"addresses.0: is not in the lan 10.0.0.0/24; {LAN}",
            ],
        ),
        (
            {"addresses": ["10.43.9.0/30"], "bgp": {"asn": 64512, "peers": [PEER]}},
            [f"addresses.0: contains 10.43.0.0/16, a Service CIDR; {FREE}"],
        ),
        ({"addresses": ["10.0.0.250-10.0.1.9"]}, [f"addresses.0: is not in the lan 10.0.0.0/24; {LAN}"]),
        (
            POOL | {"bgp": {"asn": 64512, "peers": [], "pools": ["b"]}},
            [
                "bgp.peers: is empty; add a router",
                "bgp.pools.0: is not a pool; use one of: default",
            ],
        ),
        (
            POOL | {"bgp": {"asn": 64513, "peers": [PEER | {"ebgpMultiHop": True}, PEER]}},
            [
                "bgp.peers.0.ebgpMultiHop: is only for eBGP, but this peer has the cluster's own asn, 64513; remove it",
                "bgp.peers.1.address: is also the address of another peer; keep one of them",
            ],
        ),
    ],
)
def test_pools_that_do_not_fit_are_reported(given: dict[str, Any], report: list[str]) -> None:
    assert problems("metallb", lab(metallb=given)) == report


def test_edge_of_a_small_lan_is_not_given_away() -> None:
    small = cluster("three-servers", lan="10.0.0.0/25", api={"vip": "10.0.0.100"})
    report = list(MetalLB(MetalLBSettings(addresses=("10.0.0.120/29",)), LabContext(small)).findings())
    assert report == [
        (
            ("addresses", 0),
            "contains 10.0.0.127, the network or broadcast address of the lan 10.0.0.0/25",
            "exclude it",
        )
    ]


@pytest.mark.parametrize(
    ("balancer", "report"), [("10.0.0.210", ["contains 10.0.0.210, the address of the API"]), ("api.lan", [])]
)
def test_balancer_of_the_api_keeps_its_address(balancer: str, report: list[str]) -> None:
    found = LabContext(cluster("three-servers", api={"external": balancer}))
    settings = MetalLBSettings(addresses=("10.0.0.200-10.0.0.220",))
    assert [reason for _, reason, _ in MetalLB(settings, found).findings()] == report
