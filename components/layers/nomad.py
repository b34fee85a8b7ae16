"""Nomad: jobs beside K3s, on machines that are chosen for it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import Field

from components import volumes
from components.addresses import bracketed
from components.app.kinds import Size
from components.authority import Subject
from components.fields import HostLabel, Sha256, Text, Url
from components.host import Service
from components.lab import NodeSettings
from components.layer import Finding, Layer
from components.manifest import Made, Tree
from components.model import Model, SecretRef
from components.nomad_secrets import GOSSIP, TOKEN, Access, issued

_DATA, _ETC = "/var/lib/nomad", "/etc/nomad.d"
PORT, _RPC, _GOSSIP = 4646, 4647, 4648
_TLS = ("AUTHORITY", "CERTIFICATE", "CERTIFICATE_KEY")
_LAST_PORT = 29999
"""Above it are the node ports of Services."""


class NomadTLSSettings(Model):
    """Certificates of your own, as `nomad tls ca create` and `nomad tls cert create` make them. You renew them."""

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
    """Nomad beside K3s. ACLs and mutual TLS are always on; `./homelab nomad` gives you the token and a certificate."""

    servers: tuple[HostLabel, ...]
    """Machines that are its servers: one, three or five."""
    clients: tuple[HostLabel, ...] = ()
    """Machines that run its jobs, by the drivers `exec` and `java`: K3s leaves no Docker there."""
    gossip_key: SecretRef | None = None
    """Secret that holds the key of `nomad operator gossip keyring generate`. Default: one that is made for the lab."""
    tls: NomadTLSSettings | None = None
    """Certificates of your own. Default: those of an authority that is made for the lab, renewed every year."""
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
        """Return Nomad on each of its machines and, once it has a leader, the lab's token in it."""
        chosen = {*self.settings.servers, *self.settings.clients}
        nodes = [node for node in self.lab.cluster.nodes if node.name in chosen]
        first = next(node for node in nodes if node.name == self.settings.servers[0])
        secrets = {"TOKEN": self.access.token}
        acl = Service("acl", first.name, ("nomad-acl.sh",), (), "", {"ADDRESS": first.address}, secrets, last=True)
        return [*map(self._service, nodes), acl]

    def _service(self, node: NodeSettings) -> Service:
        given = self.settings
        version = (given.version or self.lab.programs[self.key]).removeprefix("v")
        pins = "\n".join(f"{arch} {checksum}" for arch, checksum in given.checksums.items())
        config = json.dumps(self._config(node), indent=2)
        variables = {"VERSION": version, "RELEASES": given.releases, "PINS": pins, "CONFIG": config}
        secrets = self._secrets(node)
        if "GOSSIP" not in secrets:
            variables["GOSSIP"] = ""
        undo, probe = ("nomad-away.sh",), "nomad-runs.sh"
        return Service("agent", node.name, ("nomad.sh",), undo, probe, variables, secrets)

    def _secrets(self, node: NodeSettings) -> Mapping[str, SecretRef | Made]:
        server = node.name in self.settings.servers
        gossip = {"GOSSIP": self.settings.gossip_key or GOSSIP} if server else {}
        names = (node.name, "localhost")
        subject = Subject(f"{'server' if server else 'client'}.global.nomad", names, ("127.0.0.1", *node.addresses))
        tls = self.settings.tls
        if tls:
            own = (tls.server_certificate, tls.server_key) if server else (tls.client_certificate, tls.client_key)
            return gossip | dict(zip(_TLS, (tls.authority, *own), strict=True))
        return gossip | dict(zip(_TLS, issued(subject), strict=True))

    @property
    def access(self) -> Access:
        """What gets the keeper of the lab into Nomad."""
        tls = self.settings.tls
        if tls:
            return Access(TOKEN, tls.authority, tls.client_certificate, tls.client_key)
        return Access(TOKEN, *issued(Subject("cli.global.nomad")))

    def _config(self, node: NodeSettings) -> Tree:
        given = self.settings
        config: dict[str, Tree] = {
            "name": node.name,
            "data_dir": _DATA,
            "bind_addr": node.address,
            "disable_update_check": True,
            "acl": {"enabled": True},
            "tls": {
                "http": True,
                "rpc": True,
                "verify_server_hostname": True,
                "verify_https_client": True,
                **{f"{name}_file": f"{_ETC}/{name}.pem" for name in ("ca", "cert", "key")},
            },
        }
        if node.name in given.servers:
            config["server"] = {"enabled": True, "bootstrap_expect": len(given.servers), **self._join(_GOSSIP)}
        if node.name in given.clients:
            limits = {"memory_total_mb": volumes.mebibytes(given.memory), "max_dynamic_port": _LAST_PORT}
            config["client"] = {"enabled": True, **limits, **self._join(_RPC)}
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
