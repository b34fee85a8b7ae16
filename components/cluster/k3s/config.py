"""Configuration files and installation variables of K3s, rendered from the cluster's settings."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pulumi
import yaml

from components.cluster.k3s import hardening
from components.cluster.k3s.settings import MirrorSettings, RegistryTlsSettings
from components.cluster.settings import ClusterSettings, K3sSettings, NodeSettings, SnapshotSettings
from components.settings import certificates
from components.settings.addresses import bracketed
from components.settings.model import SecretRef

CONFIG_FOLDER = "/etc/rancher/k3s"
RELEASES_URL = "https://github.com/k3s-io/k3s/releases/download"
BINARIES = {"amd64": "k3s", "arm64": "k3s-arm64", "arm": "k3s-armhf"}
"""File names of K3s' binary in a release, by CPU architecture."""
SOURCES_URL = "https://raw.githubusercontent.com/k3s-io/k3s"
IMAGES_ARCHIVE = "k3s-airgap-images"
GATEWAY_API_MINOR = 37
"""First Kubernetes minor version whose K3s release contains the Gateway API CRDs."""


def config_yaml(cluster: ClusterSettings, node: NodeSettings) -> str:
    """Render `config.yaml` of K3s for a node. The file contains no secrets."""
    options = _common(cluster, node)
    if node.role == "server":
        options |= _server(cluster, node)
    user_options = cluster.options_of(node)
    return _yaml({**user_options, **hardening.options(cluster, node, CONFIG_FOLDER, user_options), **options})


def secret_config_yaml(cluster: ClusterSettings, node: NodeSettings) -> pulumi.Output[str]:
    """Render the K3s configuration file that contains secrets: the S3 keys for etcd snapshots."""
    s3 = cluster.k3s.snapshots.s3
    if s3 is None or node.role == "agent":
        return pulumi.Output.from_input("")
    return _with_secrets({"etcd-s3-access-key": s3.access_key, "etcd-s3-secret-key": s3.secret_key}, _yaml)


def registries_yaml(cluster: ClusterSettings) -> pulumi.Output[str]:
    """Render `registries.yaml` of K3s, which contains the passwords of image registries."""
    mirrors = {name: _mirror(mirror) for name, mirror in cluster.registries.mirrors.items()}
    auth, tls = cluster.registries.auth, cluster.registries.tls
    if not mirrors and not auth and not tls:
        return pulumi.Output.from_input("")

    def render(passwords: Mapping[str, str]) -> str:
        configs: dict[str, Any] = {
            name: {"auth": {"username": login.username, "password": passwords[name]}} for name, login in auth.items()
        }
        for name, settings in tls.items():
            configs.setdefault(name, {})["tls"] = _tls(settings)
        return _yaml({"mirrors": mirrors, "configs": configs})

    return _with_secrets({name: login.password for name, login in auth.items()}, render)


def own_manifests(cluster: ClusterSettings, node: NodeSettings) -> str:
    """Return the manifests of the stack file for servers, as one text of several YAML documents."""
    texts = [text.rstrip("\n") for _, text in sorted(cluster.k3s.manifests.items())] if node.role == "server" else []
    return "\n---\n".join(texts)


def _mirror(mirror: MirrorSettings) -> dict[str, Any]:
    return {"endpoint": list(mirror.endpoints), **({"rewrite": mirror.rewrite} if mirror.rewrite else {})}


def _tls(settings: RegistryTlsSettings) -> dict[str, Any]:
    files = settings.model_dump(exclude_none=True, exclude={"insecure_skip_verify"})
    return files | ({"insecure_skip_verify": True} if settings.insecure_skip_verify else {})


def release_variables(cluster: ClusterSettings) -> dict[str, str]:
    """Return the shell variables of `node/stage-k3s.sh`: the K3s version, download URLs and pinned checksums."""
    version, mirror = cluster.k3s.version.replace("+", "%2B"), cluster.k3s.mirror
    releases = f"{mirror.rstrip('/')}/{version}" if mirror else f"{RELEASES_URL}/{version}"
    installer = f"{releases if mirror else f'{SOURCES_URL}/{version}'}/install.sh"
    pins = cluster.k3s.pins.model_dump(exclude_none=True)
    return {
        "VERSION": cluster.k3s.version,
        "RELEASES": releases,
        "INSTALLER": installer,
        "PINS": "\n".join(f"{name} {value}" for name, value in pins.items()),
        "IMAGES": IMAGES_ARCHIVE if mirror else "",
    }


def immutable_settings(cluster: ClusterSettings, node: NodeSettings) -> str:
    """Return the settings that must not change after the node has joined the cluster, with one setting per line."""
    network = cluster.network
    values = {
        f"nodes[{node.name}].role": node.role,
        f"nodes[{node.name}].address": ", ".join(node.addresses),
        "network.pods": ", ".join(network.pods),
        "network.services": ", ".join(network.services),
        "network.cni": network.cni,
        "network.flannelBackend": network.flannel_backend,
        "k3s.secretsEncryption": str(cluster.k3s.secrets_encryption).lower(),
    }
    if cluster.k3s.ca:
        values["k3s.ca"] = certificates.fingerprint(cluster.k3s.ca.certificate)
    return "\n".join(f"{name}: {value}" for name, value in values.items())


def certificate_rotation(cluster: ClusterSettings) -> str:
    """Return the number that users raise to rotate the TLS certificates of K3s servers."""
    return str(cluster.k3s.rotation.certificates)


def api_endpoint(cluster: ClusterSettings) -> str:
    """Return the endpoint of the Kubernetes API as `HOST:PORT`, with an IPv6 address in brackets."""
    return f"{bracketed(cluster.endpoint_host)}:{cluster.endpoint_port}"


def peer_addresses(cluster: ClusterSettings, node: NodeSettings) -> str:
    """Return the API addresses of all servers except `node`, in the form `ADDRESS:PORT` and separated by spaces."""
    others = (server for server in cluster.servers if server.name != node.name)
    return " ".join(f"{bracketed(server.address)}:6443" for server in others)


def _common(cluster: ClusterSettings, node: NodeSettings) -> dict[str, Any]:
    return {
        "node-name": node.name,
        "node-ip": ",".join(node.addresses),
        "server": f"https://{api_endpoint(cluster)}",
        "token-file": f"{CONFIG_FOLDER}/token",
    }


def _server(cluster: ClusterSettings, node: NodeSettings) -> dict[str, Any]:
    network, flannel = cluster.network, cluster.network.cni == "flannel"
    names = dict.fromkeys([cluster.endpoint_host, *node.addresses, *cluster.api.tls_sans])
    return {
        "advertise-address": node.address,
        "agent-token-file": f"{CONFIG_FOLDER}/agent-token",
        "tls-san": list(names),
        "cluster-cidr": ",".join(network.pods),
        "service-cidr": ",".join(network.services),
        "flannel-backend": network.flannel_backend if flannel else "none",
        "disable-network-policy": not flannel,
        "disable": list(dict.fromkeys([*_disabled_components(cluster.k3s), *cluster.k3s.disable])),
        "embedded-registry": cluster.registries.embedded,
        "secrets-encryption": cluster.k3s.secrets_encryption,
        "write-kubeconfig-mode": "0600",
        **_snapshots(cluster.k3s.snapshots),
    }


def _disabled_components(settings: K3sSettings) -> list[str]:
    """Return the packaged K3s components that homelab disables, because layers of the platform replace them."""
    names = ["traefik"] if settings.servicelb else ["traefik", "servicelb"]
    return [*names, "gateway-api-crd"] if minor_version(settings.version) >= GATEWAY_API_MINOR else names


def minor_version(version: str) -> int:
    """Return the minor version of Kubernetes in a K3s release, such as 36 for `v1.36.3+k3s1`."""
    return version_numbers(version)[1]


def version_numbers(version: str) -> tuple[int, int, int]:
    """Return the major, minor and patch version of Kubernetes in a K3s release such as `v1.36.3+k3s1`."""
    major, minor, patch = re.findall("[0-9]+", version)[:3]
    return int(major), int(minor), int(patch)


def _snapshots(settings: SnapshotSettings) -> dict[str, Any]:
    options: dict[str, Any] = {
        "etcd-snapshot-schedule-cron": settings.schedule,
        "etcd-snapshot-retention": settings.retention,
    }
    if s3 := settings.s3:
        options |= {
            "etcd-s3": True,
            "etcd-s3-endpoint": s3.endpoint,
            "etcd-s3-bucket": s3.bucket,
            "etcd-s3-region": s3.region,
            "etcd-s3-retention": s3.retention,
            **({"etcd-s3-folder": s3.folder} if s3.folder else {}),
            **({"etcd-s3-endpoint-ca": s3.endpoint_ca} if s3.endpoint_ca else {}),
        }
    return options


def _with_secrets(refs: Mapping[str, SecretRef], render: Any) -> pulumi.Output[str]:
    """Call `render` with a mapping from secret names to secret values.

    The secret values are passed as one JSON text, because the name of a secret may contain any character.
    """
    values = pulumi.Output.json_dumps({name: ref.resolve() for name, ref in refs.items()})
    return values.apply(lambda text: str(render(json.loads(text))))


def _yaml(values: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(values), sort_keys=True, allow_unicode=True) if values else ""
