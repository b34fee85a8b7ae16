"""What K3s is given beside its options: secrets, registries, the release, what stays."""

import pytest
import yaml

from components.cluster.k3s import config
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
