"""DNS of an app's pods, their entries in /etc/hosts, and the DNS servers that their NetworkPolicies allow."""

from typing import Any

import pytest

from tests.support.app_stacks import objects, pod_spec, run_fixture
from tests.unit.app.test_network import allowed

CONFIG = {
    "nameservers": ["192.168.1.1", "fd00::1"], "searches": ["lan"],
    "options": [{"name": "ndots", "value": "1"}, {"name": "rotate"}],
}  # fmt: skip


def test_all_pods_of_the_app_get_the_settings() -> None:
    found = run_fixture("cache")
    worker = objects(found)["Deployment/cache-queue"]["spec"]["template"]["spec"]
    for pod in (pod_spec(found, "cache"), worker):
        assert pod["hostAliases"] == [{"ip": "192.168.1.9", "hostnames": ["nas.lan", "nas"]}]
        assert pod["dnsConfig"] == CONFIG
        assert "dnsPolicy" not in pod, "the default of Kubernetes"


def test_the_policies_allow_the_dns_servers() -> None:
    found = objects(run_fixture("cache"))
    for name in ("cache", "cache-job", "cache-worker"):
        assert {"to 192.168.1.1/32 53,53", "to fd00::1/128 53,53"} <= set(allowed(found[f"NetworkPolicy/{name}"]))
    rule = found["NetworkPolicy/cache"]["spec"]["egress"][0]
    assert [each["protocol"] for each in rule["ports"]] == ["UDP", "TCP"]
    searches: dict[str, Any] = {"dnsConfig": {"searches": ["lan"]}}
    assert allowed(objects(run_fixture("shop-dev", **searches))["NetworkPolicy/shop-dev"]) == []


@pytest.mark.parametrize(
    ("changes", "policy"),
    [
        ({"dnsPolicy": "None"}, "None"),
        ({"hostNetwork": True}, "ClusterFirstWithHostNet"),
        ({"hostNetwork": True, "dnsPolicy": "None"}, "None"),
    ],
)
def test_policies(changes: dict[str, Any], policy: str) -> None:
    found = run_fixture("shop-dev", dnsConfig={"nameservers": ["192.168.1.1"]}, **changes)
    assert pod_spec(found, "shop-dev")["dnsPolicy"] == policy


def test_an_app_without_dns_settings_has_no_dns_fields() -> None:
    assert not {"dnsPolicy", "dnsConfig", "hostAliases"} & pod_spec(run_fixture("shop-dev"), "shop-dev").keys()


def test_a_dns_server_in_a_sidecar_needs_no_rule() -> None:
    config = {"nameservers": ["127.0.0.1", "192.168.1.1"]}
    found = objects(run_fixture("shop-dev", dnsConfig=config))["NetworkPolicy/shop-dev"]
    assert allowed(found) == ["to 192.168.1.1/32 53,53"]
