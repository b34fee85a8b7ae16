"""Nomad, which runs jobs outside Kubernetes on nodes that you select."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import Field

from components.cluster.host_requirements import HostService
from components.cluster.settings import NodeSettings
from components.kubernetes.manifest import ComputedSecret, Json
from components.layers.nomad.secrets import GOSSIP_KEY, MANAGEMENT_TOKEN, NomadAccess, tls_credentials
from components.layers.shared.certificate_authority import Subject
from components.platform.layer import Layer
from components.settings.addresses import bracketed
from components.settings.errors import Finding
from components.settings.fields import DnsLabel, Sha256, Text, Url
from components.settings.kubernetes_fields import Size
from components.settings.model import Model, SecretRef
from components.settings.quantities import mebibytes

_DATA_DIR, _CONFIG_DIR = "/var/lib/nomad", "/etc/nomad.d"
HTTP_PORT, _RPC, _GOSSIP = 4646, 4647, 4648
_TLS = ("AUTHORITY", "CERTIFICATE", "CERTIFICATE_KEY")
_LAST_PORT = 29999
"""Highest port that Nomad assigns to jobs dynamically, below the port range of NodePort Services."""


class NomadTLSSettings(Model):
    """Settings of TLS certificates that you have created with `nomad tls ca create` and `nomad tls cert create`.

    You must renew your own certificates before they expire.
    """

    authority: SecretRef
    """Pulumi secret that contains the CA certificate for Nomad's TLS."""
    server_certificate: SecretRef
    """Pulumi secret that contains the TLS certificate of Nomad servers. Create the certificate with `nomad tls cert
    create -server`."""
    server_key: SecretRef
    """Pulumi secret that contains the private key for the TLS certificate of Nomad servers."""
    client_certificate: SecretRef
    """Pulumi secret that contains the TLS certificate of Nomad clients. Create the certificate with `nomad tls cert
    create -client`."""
    client_key: SecretRef
    """Pulumi secret that contains the private key for the TLS certificate of Nomad clients."""


class NomadSettings(Model):
    """Settings of Nomad, which runs on machines next to K3s. homelab always enables Nomad's ACLs and mutual TLS.

    The command `./homelab nomad` writes Nomad's management token and a TLS client certificate to files.
    """

    servers: tuple[DnsLabel, ...]
    """Names of the nodes that run a Nomad server: one, three or five nodes."""
    clients: tuple[DnsLabel, ...] = ()
    """Names of the nodes that run Nomad jobs, with the drivers `exec` and `java`. K3s nodes have no Docker, so Nomad's
    driver `docker` is not available."""
    gossip_key: SecretRef | None = None
    """Pulumi secret that contains the gossip key from `nomad operator gossip keyring generate`. Default: homelab
    generates a gossip key."""
    tls: NomadTLSSettings | None = None
    """Your own certificates. Default: homelab creates a CA and certificates for Nomad, and renews the certificates
    every year."""
    memory: Size = "2Gi"
    """Memory for Nomad jobs on each Nomad client. Kubernetes does not know about this memory, and may assign the same
    memory to pods."""
    version: Text | None = None
    """Version of Nomad. Default: the Nomad version that homelab pins."""
    releases: Url = "https://releases.hashicorp.com/nomad"
    """URL from which machines download Nomad releases, with one folder for each version. In an air-gapped lab, set the
    URL of your own mirror."""
    checksums: dict[Literal["amd64", "arm64"], Sha256] = Field(default_factory=dict)
    """SHA-256 checksums of the Nomad release's zip file, by CPU architecture. Default: the checksums in the checksum
    file of the Nomad release."""


class Nomad(Layer[NomadSettings]):
    """Layer for Nomad servers and clients, which run as systemd services on the selected nodes."""

    key = "nomad"
    settings_type = NomadSettings
    namespace = "kube-system"
    owns_namespace = False

    def values(self) -> Mapping[str, Json]:
        """Return no Helm values, because Nomad runs outside the Kubernetes cluster."""
        return {}

    def host_services(self) -> Sequence[HostService]:
        """Return the task that installs Nomad on each node, and the task that bootstraps Nomad's ACLs."""
        names = {*self.settings.servers, *self.settings.clients}
        nodes = [node for node in self.lab.cluster.nodes if node.name in names]
        first = next(node for node in nodes if node.name == self.settings.servers[0])
        secrets = {"TOKEN": self.access.token}
        address = {"ADDRESS": first.address}
        acl = HostService("acl", first.name, ("nomad/bootstrap-acl.sh",), (), "", address, secrets, runs_last=True)
        return [*map(self._service, nodes), acl]

    def _service(self, node: NodeSettings) -> HostService:
        settings = self.settings
        version = (settings.version or self.lab.program_versions[self.key]).removeprefix("v")
        pins = "\n".join(f"{arch} {checksum}" for arch, checksum in settings.checksums.items())
        config = json.dumps(self._config(node), indent=2)
        variables = {"VERSION": version, "RELEASES": settings.releases, "PINS": pins, "CONFIG": config}
        secrets = self._secrets(node)
        if "GOSSIP" not in secrets:
            variables["GOSSIP"] = ""
        undo, probe = ("nomad/uninstall.sh",), "nomad/check.sh"
        return HostService("agent", node.name, ("nomad/install.sh",), undo, probe, variables, secrets)

    def _secrets(self, node: NodeSettings) -> Mapping[str, SecretRef | ComputedSecret]:
        server = node.name in self.settings.servers
        gossip = {"GOSSIP": self.settings.gossip_key or GOSSIP_KEY} if server else {}
        names = (node.name, "localhost")
        subject = Subject(f"{'server' if server else 'client'}.global.nomad", names, ("127.0.0.1", *node.addresses))
        tls = self.settings.tls
        if tls:
            key_pair = (tls.server_certificate, tls.server_key) if server else (tls.client_certificate, tls.client_key)
            return gossip | dict(zip(_TLS, (tls.authority, *key_pair), strict=True))
        return gossip | dict(zip(_TLS, tls_credentials(subject), strict=True))

    @property
    def access(self) -> NomadAccess:
        """Credentials with which the administrator of the lab accesses Nomad."""
        tls = self.settings.tls
        if tls:
            return NomadAccess(MANAGEMENT_TOKEN, tls.authority, tls.client_certificate, tls.client_key)
        return NomadAccess(MANAGEMENT_TOKEN, *tls_credentials(Subject("cli.global.nomad")))

    def _config(self, node: NodeSettings) -> Json:
        settings = self.settings
        config: dict[str, Json] = {
            "name": node.name,
            "data_dir": _DATA_DIR,
            "bind_addr": node.address,
            "disable_update_check": True,
            "acl": {"enabled": True},
            "tls": {
                "http": True,
                "rpc": True,
                "verify_server_hostname": True,
                "verify_https_client": True,
                **{f"{name}_file": f"{_CONFIG_DIR}/{name}.pem" for name in ("ca", "cert", "key")},
            },
        }
        if node.name in settings.servers:
            config["server"] = {"enabled": True, "bootstrap_expect": len(settings.servers), **self._join(_GOSSIP)}
        if node.name in settings.clients:
            limits = {"memory_total_mb": mebibytes(settings.memory), "max_dynamic_port": _LAST_PORT}
            config["client"] = {"enabled": True, **limits, **self._join(_RPC)}
        return config

    def _join(self, port: int) -> dict[str, Json]:
        servers = (node for node in self.lab.cluster.nodes if node.name in self.settings.servers)
        return {"server_join": {"retry_join": [f"{bracketed(node.address)}:{port}" for node in servers]}}

    def findings(self) -> Iterator[Finding]:
        """Yield errors in the lists of Nomad servers and clients, and in the Nomad release."""
        arm_nodes = [node.name for node in self.lab.cluster.nodes if node.arch == "arm"]
        for key, names in (("servers", self.settings.servers), ("clients", self.settings.clients)):
            yield from self.lab.check_node_names(names, key)
            for index, name in enumerate(names):
                if name in arm_nodes and name not in names[:index]:
                    yield (key, index), "is a 32-bit node, which Nomad does not support", "use another node"
        yield from self._release_problems()
        if len(self.settings.servers) not in (1, 3, 5):
            yield ("servers",), "must be one, three or five nodes for a quorum", "add or remove servers"

    def _release_problems(self) -> Iterator[Finding]:
        names = {*self.settings.servers, *self.settings.clients}
        declared = {node.arch or "any" for node in self.lab.cluster.nodes if node.name in names} - {"arm"}
        needed = {"amd64", "arm64"} if "any" in declared else declared
        missing = sorted(needed - self.settings.checksums.keys())
        if self.settings.releases.startswith("http://") and missing:
            reason = f"uses http, but checksums are missing for: {', '.join(missing)}"
            yield ("releases",), reason, "add the checksums, or use https"
