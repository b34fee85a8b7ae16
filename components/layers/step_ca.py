"""step-ca: a certificate authority for short certificates, by ACME and as an issuer of cert-manager."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence

from components import certificates
from components.fields import Certificate, Domain, Switch, Text
from components.layer import Finding, Layer, resources, uncapped
from components.manifest import Filled, Manifest, Tree, secret_of
from components.model import Model, SecretRef

_NAME = "step-certificates"
_PASSWORD = f"{_NAME}-ca-password"
_SERVICE = f"{_NAME}.step-ca.svc"
_HOME = "/home/step"
_JWK = "@JWK@"
ISSUER = "step"


class StepProvisionerSettings(Model):
    """The provisioner that `step ca init` made, by which cert-manager asks for certificates."""

    name: Text = "admin"
    """Its name, as given to `step ca init`."""
    key_id: Text
    """Id of its key: `.key.kid`."""
    definition: SecretRef
    """Secret that holds all of it as JSON: the first of `.authority.provisioners` in ca.json."""


class StepCaSettings(Model):
    """step-ca: an authority of your own, made by `step ca init` and kept by you."""

    root: Certificate
    """Certificate of its root, which devices have to trust: what `base64 -w0 root_ca.crt` prints."""
    intermediate: Certificate
    """Certificate that it signs with: what `base64 -w0 intermediate_ca.crt` prints."""
    intermediate_key: SecretRef
    """Secret that holds the key of that certificate, encrypted as `step ca init` leaves it."""
    password: SecretRef
    """Secret that holds the password of that key and of the provisioner."""
    provisioner: StepProvisionerSettings
    """By whom cert-manager asks."""
    lan: Switch = False
    """Whether ACME clients of the lan reach it, by an address of metallb."""
    host: Domain | None = None
    """Host name by which they do. Default: `ca.DOMAIN`."""


class StepCa(Layer[StepCaSettings]):
    """step-ca with the provisioner `acme` and cert-manager's issuer `step`."""

    key = "stepCa"
    settings_type = StepCaSettings
    namespace = "step-ca"
    requires = ("certManager",)
    after = ("metallb", "longhorn")
    bare_crds = ("step-issuer",)

    def values(self) -> Mapping[str, Tree]:
        """Return the authority, which makes up nothing at its start, and what cert-manager asks it by."""
        given = dict.fromkeys(("enabled", "ca", "certsAsSecret", "configAsSecret"), True)
        authority: dict[str, Tree] = {
            "existingSecrets": given,
            "bootstrap": {"enabled": False, "configmaps": False, "secrets": False},
            "ca": {"db": {"size": "1Gi"}},
            "podExtraLabels": {"homelab/keys": self._digest},  # it reads them when it starts
            "resources": resources("25m", "128Mi"),
            "service": {"type": "LoadBalancer" if self.settings.lan else "ClusterIP"},
        }
        return {_NAME: authority, "step-issuer": {"resources": uncapped("10m", "96Mi")}}

    @property
    def _digest(self) -> str:
        said = f"{self.settings.root}{self.settings.intermediate}{json.dumps(self._config())}"
        return hashlib.sha256(said.encode()).hexdigest()[:12]

    def _config(self) -> Tree:
        claims = {"defaultTLSCertDuration": "24h", "maxTLSCertDuration": "2160h"}  # cert-manager asks for 90 days
        return {
            "root": f"{_HOME}/certs/root_ca.crt",
            "crt": f"{_HOME}/certs/intermediate_ca.crt",
            "key": f"{_HOME}/secrets/intermediate_ca_key",
            "address": ":9000",
            "dnsNames": [_SERVICE, f"{_SERVICE}.cluster.local", self.host_name, "127.0.0.1"],
            "logger": {"format": "json"},
            "db": {"type": "badgerv2", "dataSource": f"{_HOME}/db"},
            "authority": {"claims": claims, "provisioners": [{"type": "ACME", "name": "acme"}, _JWK]},
            "tls": {"minVersion": 1.2, "maxVersion": 1.3},
        }

    def before(self) -> Sequence[Manifest]:
        """Return what it would make up else: certificates, keys, password, configuration."""
        given = self.settings
        text = json.dumps(self._config()).replace("{", "{{").replace("}", "}}").replace(json.dumps(_JWK), "{}")
        return [
            secret_of(self.metadata(f"{_NAME}-config"), {"ca.json": Filled(text, (given.provisioner.definition,))}),
            secret_of(
                self.metadata(f"{_NAME}-certs"),
                {
                    "root_ca.crt": certificates.decoded(given.root),
                    "intermediate_ca.crt": certificates.decoded(given.intermediate),
                },
            ),
            secret_of(self.metadata(f"{_NAME}-secrets"), {"intermediate_ca_key": given.intermediate_key}),
            secret_of(self.metadata(_PASSWORD), {"password": given.password}),
        ]

    def extend(self) -> Sequence[Manifest]:
        """Return the issuer."""
        provisioner = self.settings.provisioner
        password = {"name": _PASSWORD, "namespace": self.namespace, "key": "password"}
        spec = {
            "url": f"https://{_SERVICE}",
            "caBundle": self.settings.root,
            "provisioner": {"name": provisioner.name, "kid": provisioner.key_id, "passwordRef": password},
        }
        version = "certmanager.step.sm/v1beta1"
        return [{"apiVersion": version, "kind": "StepClusterIssuer", "metadata": {"name": ISSUER}, "spec": spec}]

    @property
    def host_name(self) -> str:
        """Its host name in the lan."""
        return self.settings.host or f"ca.{self.lab.cluster.domain}"

    def problems(self) -> Iterator[Finding]:
        """Yield what is wrong with the way from the lan, and between the certificates."""
        if self.settings.lan and not self.lab.has("metallb"):
            yield ("lan",), "needs metallb, which is off", "add metallb beside stepCa"
        if self.settings.host and not self.settings.lan:
            yield ("host",), "has no effect without lan", "add lan: true, or take it out"
        if self.settings.root == self.settings.intermediate:
            yield ("intermediate",), "is the root", "write what `base64 -w0 intermediate_ca.crt` prints"
