"""Settings of real labs and apps that look wrong and are right: no check may refuse them."""

import json
from pathlib import Path
from typing import Any

import pytest

from stacks.settings import AppStack
from tests.support.settings_fixtures import parse_fixture

ON_REQUEST = {"files": {"addresses": ["10.0.0.230-10.0.0.231"]}}
NFS = {"address": "10.0.0.230", "path": "/export"}
POOL = {"addresses": ["10.0.0.200-10.0.0.220"]}
EBPF = {"tigera-operator": {"installation": {"calicoNetwork": {"linuxDataplane": "BPF"}}}}
NO_PROXY = {"disable-kube-proxy": True}
IPVS = {"kube-proxy-arg": ["proxy-mode=ipvs"]}
STRICT = {"kube-proxy-arg": ["proxy-mode=ipvs", "ipvs-strict-arp=True"]}
TAINT = ["node-role.kubernetes.io/control-plane:NoSchedule"]
BGP = {"cilium": {"bgpControlPlane": {"enabled": True}}}


@pytest.mark.parametrize(
    ("base", "change"),
    [
        ("three-servers", {"network.cni": "none", "k3s.serverOptions": NO_PROXY,
                           "platform": {"calico": {}, "values": EBPF}}),
        ("three-servers", {"network.cni": "none", "platform": {"cilium": {}, "traefik": {}, "values": BGP}}),
        ("three-servers", {"k3s.options": STRICT, "platform": {"metallb": POOL}}),
        ("one-server", {"k3s.options": IPVS, "platform": {"metallb": POOL}}),
        ("one-server", {"network.cni": "none", "nodes[0].taints": TAINT, "platform": {"cilium": {}}}),
        ("three-servers", {"platform": {"longhorn": {"path": "/usr/local/longhorn"}}}),
        ("three-servers", {"platform": {"metallb": {**POOL, "pools": ON_REQUEST}, "nfs": {"external": NFS}}}),
    ],
    ids=["calico-ebpf", "cilium-bgp", "ipvs-with-strict-arp", "ipvs-on-one-node", "cilium-on-tainted-node",
         "longhorn-below-usr-local", "nfs-server-that-is-a-service"],
)  # fmt: skip
def test_lab_is_accepted(base: str, change: dict[str, Any], tmp_path: Path) -> None:
    fixture = tmp_path / "lab.yaml"
    fixture.write_text(f"base: {base}\nchange: {json.dumps(change)}\n")
    assert parse_fixture(fixture).cluster.nodes


@pytest.mark.parametrize("name", ["acme", "acme_update", "acme.lab.example.com."])
def test_names_of_tsig_keys_are_accepted(name: str, tmp_path: Path) -> None:
    rfc2136 = {"nameserver": "10.0.0.53", "tsigKeyName": name, "tsigSecret": {"secret": "sshKey"}}
    acme = {"email": "me@example.com", "rfc2136": rfc2136}
    fixture = tmp_path / "lab.yaml"
    fixture.write_text(f"base: three-servers\nchange: {json.dumps({'platform': {'certManager': {'acme': acme}}})}\n")
    assert parse_fixture(fixture).platform.enabled_layers()


@pytest.mark.parametrize(
    "app",
    [
        {"hostAliases": [{"ip": "127.0.0.1", "hostnames": ["shop.lan"]}, {"ip": "0.0.0.0", "hostnames": ["ads.lan"]}]},
        {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["127.0.0.1"]}},
        {"dnsConfig": {"searches": ["lab.example.com.", "example.com"]}},
        {"hosts": ["shop"], "ingress": {"responseHeaders": {"Content-Security-Policy": "default-src 'self';" * 200}}},
        {"valkey": {}, "volumes": {"valkey": {"path": "/data", "size": "1Gi", "shared": True}}},
    ],
    ids=[
        "host-aliases",
        "dns-server-in-a-sidecar",
        "search-domain-with-a-dot",
        "long-header",
        "volume-beside-valkey-without-a-volume",
    ],
)
def test_app_is_accepted(app: dict[str, Any]) -> None:
    assert AppStack.parse({"app": {"platform": "lab", "image": "shop:1", **app}}, set(), "shop").app
