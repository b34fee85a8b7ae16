"""What K3s is given beside its options: secrets, registries, the release, what stays."""

import re

import pytest
import yaml

from components.cluster import machine
from components.cluster.connection import connection_settings
from components.cluster.k3s import config, hardening
from stacks import catalog
from tests.support.cluster_fixtures import cluster, render_with_canaries
from tests.support.recorder import canary


def test_keys_of_s3_are_secret_and_on_servers_alone() -> None:
    found = cluster("options")
    text, secret = render_with_canaries(config.secret_config_yaml, found, found.nodes[0])
    assert secret
    assert yaml.safe_load(text) == {
        "etcd-s3-access-key": canary("s3Id"),
        "etcd-s3-secret-key": canary("s3Key"),
    }
    assert render_with_canaries(config.secret_config_yaml, found, found.nodes[1]) == ("", False)
    without = cluster("one-server")
    assert render_with_canaries(config.secret_config_yaml, without, without.nodes[0]) == ("", False)


def test_registries_have_mirrors_and_logins() -> None:
    text, secret = render_with_canaries(config.registries_yaml, cluster("air-gap"))
    assert secret
    assert yaml.safe_load(text) == {
        "mirrors": {
            "docker.io": {"endpoint": ["https://registry.lan:5000"]},
            "*": {"endpoint": ["https://registry.lan:5000/v2"]},
        },
        "configs": {"registry.lan:5000": {"auth": {"username": "lab", "password": canary("registry")}}},
    }
    assert yaml.safe_load(render_with_canaries(config.registries_yaml, cluster("options"))[0])["mirrors"] == {
        "*": {"endpoint": []}
    }
    assert render_with_canaries(config.registries_yaml, cluster("one-server")) == ("", False)


@pytest.mark.parametrize(
    ("mirror", "releases", "installer"),
    [
        (None, f"{config.RELEASES_URL}/v1.36.3%2Bk3s1", f"{config.SOURCES_URL}/v1.36.3%2Bk3s1/install.sh"),
        ("https://m.lan/k3s", "https://m.lan/k3s/v1.36.3%2Bk3s1", "https://m.lan/k3s/v1.36.3%2Bk3s1/install.sh"),
        ("https://m.lan/k3s/", "https://m.lan/k3s/v1.36.3%2Bk3s1", "https://m.lan/k3s/v1.36.3%2Bk3s1/install.sh"),
    ],
)
def test_release_is_fetched_from_its_place(mirror: str | None, releases: str, installer: str) -> None:
    where = {"mirror": mirror} if mirror else {}
    found = config.release_variables(cluster("one-server", k3s={"version": "v1.36.3+k3s1", **where}))
    assert (found["VERSION"], found["RELEASES"], found["INSTALLER"]) == ("v1.36.3+k3s1", releases, installer)
    assert found["IMAGES"] == ("k3s-airgap-images" if mirror else "")
    assert found["PINS"] == ""


def test_pins_are_a_line_each() -> None:
    pins = config.release_variables(cluster("air-gap"))["PINS"].splitlines()
    assert [line.split()[0] for line in pins] == ["amd64", "arm64", "installer"]
    assert all(len(line.split()[1]) == 64 for line in pins)


def test_version_of_the_catalog_is_the_default() -> None:
    assert config.release_variables(cluster("one-server"))["VERSION"] == catalog.K3S_VERSION


def test_what_is_fixed_names_fields_of_the_settings() -> None:
    found = cluster("dual-stack")
    lines = dict(line.split(": ", 1) for line in config.immutable_settings(found, found.nodes[0]).splitlines())
    assert lines["network.pods"] == "10.42.0.0/16, fd42::/56"
    assert lines["network.flannelBackend"] == "wireguard-native"
    assert lines["k3s.secretsEncryption"] == "true"
    assert lines["nodes[a].role"] == "server"
    assert lines["nodes[a].address"] == "10.0.0.11, fd00::11"


def test_the_own_ca_is_fixed_only_where_there_is_one() -> None:
    found, without = cluster("cluster-options"), cluster("dual-stack")
    last = config.immutable_settings(found, found.nodes[0]).splitlines()[-1]
    assert re.fullmatch("k3s.ca: [0-9a-f]{64}", last)
    assert "k3s.ca" not in config.immutable_settings(without, without.nodes[0])


def test_registries_have_tls_and_rewrites() -> None:
    text, secret = render_with_canaries(config.registries_yaml, cluster("cluster-options"))
    assert not secret
    assert yaml.safe_load(text) == {
        "mirrors": {"docker.io": {"endpoint": ["http://mirror.lan:5000"], "rewrite": {"^library/(.*)": "hub/$1"}}},
        "configs": {
            "registry.lan:5000": {"tls": {"ca_file": "/etc/ssl/registry.pem"}},
            "other.lan": {"tls": {"insecure_skip_verify": True}},
        },
    }


def test_own_manifests_are_one_text_on_servers_alone() -> None:
    found = cluster("cluster-options")
    text = config.own_manifests(found, found.nodes[0])
    assert [each["kind"] for each in yaml.safe_load_all(text)] == ["Namespace", "PriorityClass"]
    assert config.own_manifests(found, found.nodes[1]) == ""


def test_options_of_the_cluster_are_options_of_k3s() -> None:
    found = cluster("cluster-options")
    server, agent = (yaml.safe_load(config.config_yaml(found, node)) for node in found.nodes)
    assert server["disable"] == ["traefik"]
    assert (server["node-external-ip"], server["flannel-external-ip"]) == ("203.0.113.7", True)
    assert agent["node-external-ip"] == ["203.0.113.8", "2001:db8::8"]
    assert "audit-policy-file=/etc/rancher/k3s/audit.yaml" in server["kube-apiserver-arg"]
    assert "anonymous-auth=false" not in server["kube-apiserver-arg"], "without the other measures of cis"
    assert "Policy" in hardening.files(found, found.nodes[0])["audit.yaml"]
    assert hardening.files(found, found.nodes[1])["audit.yaml"] == ""


def test_ssh_goes_to_an_address_of_its_own() -> None:
    found = cluster("cluster-options")
    addresses = [connection_settings(node, found.ssh_of(node))["address"] for node in found.nodes]
    assert addresses == ["10.0.0.11", "d.management.lan"]
    assert yaml.safe_load(config.config_yaml(found, found.nodes[1]))["node-ip"] == "10.0.0.14,fd00::14"


def test_k3s_waits_for_the_mount_of_its_data() -> None:
    found = cluster("cluster-options")
    texts = [machine.variables(found.machine_of(node))["FILES"] for node in found.nodes]
    for text in texts:
        assert "/etc/systemd/system/k3s.service.d/50-homelab-data.conf" in text
        assert "RequiresMountsFor=/var/lib/rancher/k3s" in text
    assert "What=/mnt/ssd/k3s\nWhere=/var/lib/rancher/k3s\nType=none\nOptions=bind\n" in texts[0]
    assert "[Mount]" not in texts[1], "the script writes the unit of a disk"
