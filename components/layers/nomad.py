"""Nomad: jobs beside K3s, on machines that are chosen for it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import Field

from components import volumes
from components.addresses import bracketed
from components.app.kinds import Size
from components.fields import HostLabel, Sha256, Text, Url
from components.host import Service
from components.lab import NodeSettings
from components.layer import Finding, Layer
from components.manifest import Tree
from components.model import Model, SecretRef

_DATA, _ETC = "/var/lib/nomad", "/etc/nomad.d"
_RPC, _GOSSIP = 4647, 4648
_SECRETS = ("GOSSIP", "AUTHORITY", "CERTIFICATE", "CERTIFICATE_KEY")
_LAST_PORT = 29999
"""Above it are the node ports of Services."""


class NomadTLSSettings(Model):
    """Certificates between all parts, as `nomad tls ca create` and `nomad tls cert create` make them."""

    authority: SecretRef
    """Secret that holds the authority's certificate."""
    server_certificate: SecretRef
    """Secret that holds the servers' certificate, of `-server`."""
    server_key: SecretRef
    """Secret that holds its key."""
    client_certificate: SecretRef
    """Secret that holds the clients' certificate, of `-client`."""
    client_key: SecretRef
    """Secret that holds its key."""


class NomadSettings(Model):
    """Nomad beside K3s. Its ACLs are on: begin with `nomad acl bootstrap`."""

    servers: tuple[HostLabel, ...]
    """Machines that are its servers: one, three or five."""
    clients: tuple[HostLabel, ...] = ()
    """Machines that run its jobs, by the drivers `exec` and `java`: K3s leaves no Docker there."""
    gossip_key: SecretRef
    """Secret that holds the key of `nomad operator gossip keyring generate`, which servers encrypt gossip with."""
    tls: NomadTLSSettings | None = None
    """Certificates. Default: none, and all but gossip crosses the lan in clear, tokens too."""
    memory: Size = "2Gi"
    """Memory that jobs may use on each client; K3s knows nothing of them."""
    version: Text | None = None
    """Version of Nomad. Default: the one that this program brings."""
    releases: Url = "https://releases.hashicorp.com/nomad"
    """Where releases are, each in a folder of its version (air gap)."""
    checksums: dict[Literal["amd64", "arm64"], Sha256] = Field(default_factory=dict)
    """SHA-256 of the version's zip files by architecture. Default: as the release's own list says."""


class Nomad(Layer[NomadSettings]):
    """Nomad's servers and clients, as services of machines."""

    key = "nomad"
    settings_type = NomadSettings
    namespace = "kube-system"
    own_namespace = False

    def values(self) -> Mapping[str, Tree]:
        """Return nothing: it does not run in the cluster."""
        return {}

    def services(self) -> Sequence[Service]:
        """Return Nomad on each of its machines."""
        chosen = {*self.settings.servers, *self.settings.clients}
        return [self._service(node) for node in self.lab.cluster.nodes if node.name in chosen]

    def _service(self, node: NodeSettings) -> Service:
        given = self.settings
        version = (given.version or self.lab.programs[self.key]).removeprefix("v")
        pins = "\n".join(f"{arch} {checksum}" for arch, checksum in given.checksums.items())
        config = json.dumps(self._config(node), indent=2)
        variables = {"VERSION": version, "RELEASES": given.releases, "PINS": pins, "CONFIG": config}
        secrets = self._secrets(node)
        variables |= {name: "" for name in _SECRETS if name not in secrets}
        undo, probe = ("nomad-away.sh",), "nomad-runs.sh"
        return Service("agent", node.name, ("nomad.sh",), undo, probe, variables, secrets)

    def _secrets(self, node: NodeSettings) -> Mapping[str, SecretRef]:
        tls, server = self.settings.tls, node.name in self.settings.servers
        secrets = {"GOSSIP": self.settings.gossip_key} if server else {}
        if tls:
            secrets["AUTHORITY"] = tls.authority
            secrets["CERTIFICATE"] = tls.server_certificate if server else tls.client_certificate
            secrets["CERTIFICATE_KEY"] = tls.server_key if server else tls.client_key
        return secrets

    def _config(self, node: NodeSettings) -> Tree:
        given = self.settings
        config: dict[str, Tree] = {
            "name": node.name,
            "data_dir": _DATA,
            "bind_addr": node.address,
            "disable_update_check": True,
            "acl": {"enabled": True},
        }
        if node.name in given.servers:
            config["server"] = {"enabled": True, "bootstrap_expect": len(given.servers), **self._join(_GOSSIP)}
        if node.name in given.clients:
            limits = {"memory_total_mb": volumes.mebibytes(given.memory), "max_dynamic_port": _LAST_PORT}
            config["client"] = {"enabled": True, **limits, **self._join(_RPC)}
        if given.tls:
            files = {"ca_file": "ca.pem", "cert_file": "cert.pem", "key_file": "key.pem"}
            paths = {key: f"{_ETC}/{file}" for key, file in files.items()}
            config["tls"] = {"http": True, "rpc": True, "verify_server_hostname": True, **paths}
        return config

    def _join(self, port: int) -> dict[str, Tree]:
        servers = (node for node in self.lab.cluster.nodes if node.name in self.settings.servers)
        return {"server_join": {"retry_join": [f"{bracketed(each.address)}:{port}" for each in servers]}}

    def problems(self) -> Iterator[Finding]:
        """Yield what is wrong between Nomad's machines and the lab."""
        narrow = [node.name for node in self.lab.cluster.nodes if node.arch == "arm"]
        for key, names in (("servers", self.settings.servers), ("clients", self.settings.clients)):
            yield from self.lab.strangers(names, key)
            for index, name in enumerate(names):
                if name in narrow and name not in names[:index]:
                    yield (key, index), "is a 32-bit machine, for which there is no Nomad", "use another machine"
        yield from self._release_problems()
        if len(self.settings.servers) not in (1, 3, 5):
            yield ("servers",), "must be one, three or five, or they have no majority", "name so many machines"

    def _release_problems(self) -> Iterator[Finding]:
        chosen = {*self.settings.servers, *self.settings.clients}
        declared = {node.arch or "any" for node in self.lab.cluster.nodes if node.name in chosen} - {"arm"}
        wanted = {"amd64", "arm64"} if "any" in declared else declared
        missing = sorted(wanted - self.settings.checksums.keys())
        if self.settings.releases.startswith("http://") and missing:
            reason = f"is http, and these checksums are missing: {', '.join(missing)}"
            yield ("releases",), reason, "add them under checksums, or use https"
