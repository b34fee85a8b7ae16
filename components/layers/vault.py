"""Vault: keeps secrets, and gives them to who may have them."""

import json
from collections.abc import Iterator, Mapping, Sequence

from components import vault_seal, volumes
from components.app.kinds import Size
from components.fields import Domain, HostLabel
from components.layer import Finding, Layer, resources
from components.layers.cert_manager import CertManagerSettings
from components.layers.traefik import CLASS
from components.manifest import Manifest, Tree
from components.model import Model
from components.page import Page
from components.vault_seal import VaultSealSettings

NAME = "vault"
TLS = "vault-tls"
"""Secret with its certificate, and in `ca.crt` that of the authority."""
ADDRESS = f"https://{NAME}-active.{NAME}.svc:8200"
_TLS_FOLDER = f"/vault/userconfig/{TLS}"
_AUTHORITY = "ca"


class VaultSettings(Model):
    """Vault: keeps secrets. It is to be initialised by hand once, see docs/vault.md."""

    seal: VaultSealSettings | None = None
    """What opens it when it starts. Default: people, with the keys of its initialisation."""
    size: Size = "10Gi"
    """Size of the volume of each member. It does not grow with this number once it is there."""
    storage_class: HostLabel | None = None
    """Class of the volumes. Default: longhorn-single with longhorn where there are three; else the default one."""
    host: Domain | None = None
    """Host name of its page. Default: `vault.DOMAIN`."""
    issuer: HostLabel | None = None
    """Issuer of certManager for the page's certificate. Default: the default one."""


class Vault(Layer[VaultSettings]):
    """Vault, three members on three machines, or one where there are fewer."""

    key = "vault"
    settings_type = VaultSettings
    namespace = NAME
    requires = ("certManager",)
    after = ("traefik", "longhorn")
    keeps = "the volumes of Vault"
    kept = (f"persistentvolumeclaims -n {NAME}",)

    def values(self) -> Mapping[str, Tree]:
        """Return Vault. Its pods are ready when it is open, so nothing waits for them."""
        return {
            "vault": {
                "global": {"tlsDisable": False},
                "injector": {"enabled": False},
                "ui": {"enabled": True},
                "server": self._server(),
                "serverTelemetry": {"serviceMonitor": self._monitor()},
            }
        }

    def _server(self) -> Tree:
        config = json.dumps(self._config(), indent=2)
        several = self.lab.quorum > 1
        chosen = volumes.class_of(self.lab, self.settings.storage_class, self.lab.quorum)
        return {
            "updateStrategyType": "OnDelete",  # or Helm would wait for pods that only its initialisation makes ready
            "resources": resources("100m", "512Mi"),
            "ha": {
                "enabled": True,
                "replicas": self.lab.quorum,
                "raft": {"enabled": True, "setNodeId": True, "config": config},
                "disruptionBudget": {"enabled": several},
            },
            "dataStorage": {"size": self.settings.size, **({"storageClass": chosen} if chosen else {})},
            "extraArgs": f"-config={vault_seal.FOLDER}/seal.hcl" if self.settings.seal else "",
            "extraEnvironmentVars": {"VAULT_CACERT": f"{_TLS_FOLDER}/ca.crt"},
            "volumes": [{"name": each, "secret": {"secretName": each}} for each in self._folders],
            "volumeMounts": [
                {"name": each, "mountPath": f"/vault/userconfig/{each}", "readOnly": True} for each in self._folders
            ],
            "service": {"active": {"annotations": self._backend()}},
            "ingress": self._ingress(),
        }

    @property
    def _folders(self) -> list[str]:
        return [TLS, *([vault_seal.NAME] if self.settings.seal else [])]

    def _config(self) -> Tree:
        listener: dict[str, Tree] = {
            "address": "[::]:8200",
            "cluster_address": "[::]:8201",
            "tls_cert_file": f"{_TLS_FOLDER}/tls.crt",
            "tls_key_file": f"{_TLS_FOLDER}/tls.key",
        }
        others = [
            {"leader_api_addr": f"https://{member}:8200", "leader_ca_cert_file": f"{_TLS_FOLDER}/ca.crt"}
            for member in self._names
        ]
        config: dict[str, Tree] = {"ui": True, "listener": {"tcp": listener}}
        config["storage"] = {"raft": {"path": "/vault/data", "retry_join": others}}
        config["service_registration"] = {"kubernetes": {}}
        if self.monitored:
            listener["telemetry"] = {"unauthenticated_metrics_access": True}
            config["telemetry"] = {"prometheus_retention_time": "24h", "disable_hostname": True}
        return config

    def _monitor(self) -> Tree:
        if not self.monitored:
            return {"enabled": False}
        authority = {"ca": {"secret": {"name": TLS, "key": "ca.crt"}}, "serverName": f"{NAME}.{NAME}.svc"}
        return {"enabled": True, "tlsConfig": authority}

    def _backend(self) -> dict[str, str]:
        prefix = "traefik.ingress.kubernetes.io/service"
        transport = f"{NAME}-{NAME}@kubernetescrd"
        return {f"{prefix}.serversscheme": "https", f"{prefix}.serverstransport": transport} if self.page.served else {}

    def _ingress(self) -> Tree:
        if not self.page.served:
            return {"enabled": False}
        return {
            "enabled": True,
            "ingressClassName": CLASS,
            "annotations": self.page.annotations,
            "hosts": [{"host": self.page.host, "paths": []}],
            "tls": self.page.tls("vault-page-tls"),
        }

    def before(self) -> Sequence[Manifest]:
        """Return what opens it."""
        return [vault_seal.secret(self.settings.seal, self.namespace)] if self.settings.seal else ()

    def extend(self) -> Sequence[Manifest]:
        """Return its certificate, which the pods wait for, and how Traefik comes to trust it."""
        spec: Tree = {"serverName": f"{NAME}-active.{NAME}.svc", "rootCAs": [{"secret": TLS}]}
        version = "traefik.io/v1alpha1"
        transport = {"apiVersion": version, "kind": "ServersTransport", "metadata": self.metadata(NAME), "spec": spec}
        return [self._certificate(), *([transport] if self.page.served else [])]

    def _certificate(self) -> Manifest:
        services = [
            name for each in (NAME, f"{NAME}-active") for name in (each, f"{each}.{NAME}", f"{each}.{NAME}.svc")
        ]
        spec = {
            "secretName": TLS,
            "duration": "26280h",  # Vault reads it when it starts: three years, for pods that are never started anew
            "renewBefore": "13140h",
            "dnsNames": [*services, *self._names, "localhost"],
            "ipAddresses": ["127.0.0.1"],
            "usages": ["digital signature", "key encipherment", "server auth", "client auth"],
            "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": _AUTHORITY},
        }
        return {
            "apiVersion": "cert-manager.io/v1",
            "kind": "Certificate",
            "metadata": self.metadata(TLS),
            "spec": spec,
        }

    @property
    def _names(self) -> list[str]:
        return [f"{NAME}-{index}.{NAME}-internal" for index in range(self.lab.quorum)]

    @property
    def page(self) -> Page:
        """Its page."""
        return Page(self.lab, self.key, NAME, self.settings.host, self.settings.issuer)

    def problems(self) -> Iterator[Finding]:
        """Yield what is wrong with the page, the seal and the certificate."""
        yield from self.page.problems()
        if self.settings.seal:
            yield from vault_seal.problems(self.settings.seal)
        issuers = self.lab.of(CertManagerSettings)
        if issuers and not issuers.has_ca:
            reason = "needs the lab's own authority for names inside the cluster, which certManager does not have"
            yield (), reason, "add ca: {} to certManager, beside acme"
