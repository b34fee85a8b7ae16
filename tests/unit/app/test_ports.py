"""Ports of an app beside HTTP: its Services, their address, and who may connect."""

import gc
from typing import Any

import pulumi
import pytest

from tests.support.app_stacks import OUTPUTS, objects, outputs_without, pod_spec, run_fixture
from tests.unit.app.test_network import allowed

SIX = OUTPUTS | {"loadBalancerAddresses": ["fd00::/64"]}


def test_the_service_has_the_ports_own_numbers() -> None:
    ports = objects(run_fixture("home"))["Service/home"]["spec"]["ports"]
    assert [(each["name"], each["port"], each["targetPort"], each["protocol"]) for each in ports] == [
        ("http", 80, "http", "TCP"),
        ("dns", 53, 53, "UDP"),
        ("mqtt", 1883, 1883, "TCP"),
    ]
    inside = pod_spec(run_fixture("home"), "home")["containers"][0]["ports"]
    assert [(each["name"], each["containerPort"]) for each in inside] == [("http", 8080), ("dns", 53), ("mqtt", 1883)]


def test_a_port_that_is_the_apps_own_is_there_once() -> None:
    found = run_fixture("home", port=1883)
    assert [each["name"] for each in pod_spec(found, "home")["containers"][0]["ports"]] == ["http", "dns"]


def test_an_address_of_its_own() -> None:
    service = objects(run_fixture("home"))["Service/home-lb"]
    assert service["metadata"]["annotations"]["metallb.io/loadBalancerIPs"] == "10.0.0.210"
    spec = service["spec"]
    assert (spec["type"], spec["externalTrafficPolicy"]) == ("LoadBalancer", "Local")
    assert [(each["name"], each["port"]) for each in spec["ports"]] == [("dns", 53), ("mqtt", 1883)]
    assert spec["loadBalancerSourceRanges"] == ["192.168.1.0/24"]
    assert "ipFamilies" not in spec, "the cluster's own"
    six = objects(run_fixture("home", loadBalancer={"address": "fd00::9"}, outputs=SIX))["Service/home-lb"]["spec"]
    assert (six["ipFamilyPolicy"], six["ipFamilies"]) == ("SingleStack", ["IPv6"])
    any_address = objects(run_fixture("home", loadBalancer={}))["Service/home-lb"]
    assert not any_address["metadata"]["annotations"]
    assert "loadBalancerSourceRanges" not in any_address["spec"]
    assert "Service/shop-dev-lb" not in objects(run_fixture("shop-dev"))


def test_who_may_connect() -> None:
    rules = allowed(objects(run_fixture("home"))["NetworkPolicy/home"])
    servicelb = "from ns:kube-system home-lb 53,1883"
    assert rules == ["from ns:traefik 8080", "from 192.168.1.0/24 53,1883", servicelb]
    policy = objects(run_fixture("home", allow={"from": ["monitoring"]}, loadBalancer={}))["NetworkPolicy/home"]
    assert allowed(policy) == [
        "from ns:traefik 8080", "from ns:monitoring 8080", "from ns:monitoring 53,1883", "from 0.0.0.0/0 53,1883",
        "from ::/0 53,1883", servicelb,
    ]  # fmt: skip
    rule = policy["spec"]["ingress"][2]
    assert [each["ipBlock"]["except"] for each in rule["from"]] == [
        ["10.42.0.0/16", "10.43.0.0/16"], ["fd42::/56", "fd43::/112"],
    ]  # fmt: skip
    assert [each["protocol"] for each in rule["ports"]] == ["UDP", "TCP"]


def test_paths() -> None:
    (rule,) = objects(run_fixture("home"))["Ingress/home"]["spec"]["rules"]
    assert [each["path"] for each in rule["http"]["paths"]] == ["/ui", "/api"]
    (rule,) = objects(run_fixture("home", paths=["/"]))["Ingress/home"]["spec"]["rules"]
    assert [each["path"] for each in rule["http"]["paths"]] == ["/"]


@pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")
@pytest.mark.parametrize(
    ("given", "outputs", "line"),
    [
        (
            {},
            outputs_without("loadBalancerAddresses"),
            "loadBalancer: needs homelab:platform.metallb, which does not provide load",
        ),
        (
            {"address": "10.0.0.9"},
            OUTPUTS,
            r"loadBalancer\.address: is in no address pool of the platform; use one of 10\.0\.0\.200-",
        ),
    ],
)
def test_an_address_that_the_platform_does_not_give_is_refused(given: Any, outputs: Any, line: str) -> None:
    with pytest.raises(pulumi.RunError, match=line):
        run_fixture("home", loadBalancer=given, outputs=outputs)
    gc.collect()


def test_a_service_port_forwards_to_the_target_port() -> None:
    recording = run_fixture("cache")
    found = objects(recording)

    def numbers(service: str) -> list[tuple[str, int, Any]]:
        ports = found[f"Service/{service}"]["spec"]["ports"]
        return [(each["name"], each["port"], each["targetPort"]) for each in ports]

    rest = [("admin", 9000, 9443), ("metrics", 9001, 9443)]
    assert numbers("cache") == [("http", 80, "http"), *rest]
    assert numbers("cache-lb") == [("web", 80, 8080), *rest]
    inside = pod_spec(recording, "cache")["containers"][0]["ports"]
    assert [(each["name"], each["containerPort"]) for each in inside] == [("http", 8080), ("admin", 9443)]
    rules = allowed(found["NetworkPolicy/cache"])
    assert "from ns:monitoring 8080,9443" in rules, "policies see the port of the pods"
    assert "from 0.0.0.0/0 8080,9443" in rules


def test_with_host_network_the_target_port_is_checked() -> None:
    ports = {"web": {"port": 8443, "targetPort": 10250}}
    with pytest.raises(pulumi.RunError, match=r"ports\.web\.targetPort: is a port of Kubernetes on the nodes"):
        run_fixture("shop-dev", hostNetwork=True, ports=ports)
