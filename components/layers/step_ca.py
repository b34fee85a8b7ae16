"""step-ca, a CA for short-lived certificates, which clients get through ACME or cert-manager."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence

from components.kubernetes.manifest import Json, Manifest, SecretTemplate, secret_manifest
from components.platform.layer import Layer, resources, uncapped_resources
from components.settings import certificates
from components.settings.errors import Finding
from components.settings.fields import Certificate, Domain, StrictBool, Text
from components.settings.model import Model, SecretRef

_NAME = "step-certificates"
_PASSWORD = f"{_NAME}-ca-password"
_SERVICE = f"{_NAME}.step-ca.svc"
_HOME_DIR = "/home/step"
_JWK_PLACEHOLDER = "@JWK@"
ISSUER = "step"


class StepProvisionerSettings(Model):
    """Settings of the provisioner from `step ca init`, with which cert-manager requests certificates."""

    name: Text = "admin"
    """Name of the provisioner that you passed to `step ca init`."""
    key_id: Text
    """Key ID of the provisioner, from the field `.key.kid` of its definition."""
    definition: SecretRef
    """Pulumi secret that contains the definition of the provisioner: the first entry of `.authority.provisioners` in
    ca.json."""


class StepCaSettings(Model):
    """Settings of step-ca, your own CA, which you create with `step ca init`.

    Keep the files that `step ca init` has created.
    """

    root: Certificate
    """Root certificate, which your devices must trust, encoded with `base64 -w0 root_ca.crt`."""
    intermediate: Certificate
    """Intermediate certificate, which signs all issued certificates, encoded with `base64 -w0 intermediate_ca.crt`."""
    intermediate_key: SecretRef
    """Pulumi secret that contains the private key of the intermediate certificate, as `step ca init` encrypted it."""
    password: SecretRef
    """Pulumi secret that contains the password of the intermediate certificate's key and of the provisioner."""
    provisioner: StepProvisionerSettings
    """Provisioner of step-ca with which cert-manager requests certificates."""
    lan: StrictBool = False
    """Whether ACME clients in the LAN can reach step-ca, through a load-balancer IP of MetalLB."""
    host: Domain | None = None
    """Host name of step-ca for ACME clients in the LAN. Default: `ca.DOMAIN`."""


class StepCa(Layer[StepCaSettings]):
    """Layer for step-ca, with an ACME provisioner named `acme`, and a cert-manager issuer named `step`."""

    key = "stepCa"
    settings_type = StepCaSettings
    namespace = "step-ca"
    requires = ("certManager",)
    installs_after = ("metallb", "longhorn")
    charts_with_crds_folder = ("step-issuer",)

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values of step-ca (with your own keys), and of step-issuer for cert-manager."""
        existing = dict.fromkeys(("enabled", "ca", "certsAsSecret", "configAsSecret"), True)
        step_ca: dict[str, Json] = {
            "existingSecrets": existing,
            "bootstrap": {"enabled": False, "configmaps": False, "secrets": False},
            "ca": {"db": {"size": "1Gi"}},
            # step-ca reads its keys only at startup, so changed keys must restart the pod
            "podExtraLabels": {"homelab/keys": self._digest},
            "resources": resources("25m", "128Mi"),
            "service": {"type": "LoadBalancer" if self.settings.lan else "ClusterIP"},
        }
        return {_NAME: step_ca, "step-issuer": {"resources": uncapped_resources("10m", "96Mi")}}

    @property
    def _digest(self) -> str:
        content = f"{self.settings.root}{self.settings.intermediate}{json.dumps(self._config())}"
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    def _config(self) -> Json:
        claims = {"defaultTLSCertDuration": "24h", "maxTLSCertDuration": "2160h"}  # cert-manager requests 90 days
        return {
            "root": f"{_HOME_DIR}/certs/root_ca.crt",
            "crt": f"{_HOME_DIR}/certs/intermediate_ca.crt",
            "key": f"{_HOME_DIR}/secrets/intermediate_ca_key",
            "address": ":9000",
            "dnsNames": [_SERVICE, f"{_SERVICE}.cluster.local", self.host_name, "127.0.0.1"],
            "logger": {"format": "json"},
            "db": {"type": "badgerv2", "dataSource": f"{_HOME_DIR}/db"},
            "authority": {"claims": claims, "provisioners": [{"type": "ACME", "name": "acme"}, _JWK_PLACEHOLDER]},
            "tls": {"minVersion": 1.2, "maxVersion": 1.3},
        }

    def objects_before_charts(self) -> Sequence[Manifest]:
        """Return the Kubernetes Secrets with the certificates, key, password and configuration of step-ca.

        With existing Secrets, the chart of step-ca generates no keys of its own.
        """
        settings, definition = self.settings, self.settings.provisioner.definition
        template = (
            json.dumps(self._config()).replace("{", "{{").replace("}", "}}").replace(json.dumps(_JWK_PLACEHOLDER), "{}")
        )
        return [
            secret_manifest(self.metadata(f"{_NAME}-config"), {"ca.json": SecretTemplate(template, (definition,))}),
            secret_manifest(
                self.metadata(f"{_NAME}-certs"),
                {
                    "root_ca.crt": certificates.decode_pem(settings.root),
                    "intermediate_ca.crt": certificates.decode_pem(settings.intermediate),
                },
            ),
            secret_manifest(self.metadata(f"{_NAME}-secrets"), {"intermediate_ca_key": settings.intermediate_key}),
            secret_manifest(self.metadata(_PASSWORD), {"password": settings.password}),
        ]

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the StepClusterIssuer."""
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
    def load_balancers(self) -> int:
        """1 if clients in the LAN reach step-ca through a Service of type LoadBalancer, otherwise 0."""
        return int(self.settings.lan)

    @property
    def host_name(self) -> str:
        """Host name of step-ca for clients in the LAN."""
        return self.settings.host or f"ca.{self.lab.cluster.domain}"

    def findings(self) -> Iterator[Finding]:
        """Yield errors in the settings for access from the LAN, and in the CA certificates."""
        if self.settings.lan and not self.lab.is_enabled("metallb"):
            yield ("lan",), "needs metallb, which is disabled", "add metallb next to stepCa"
        if self.settings.host and not self.settings.lan:
            yield ("host",), "has no effect without lan", "add lan: true, or remove host"
        if self.settings.root == self.settings.intermediate:
            yield ("intermediate",), "is the root certificate", "use the output of `base64 -w0 intermediate_ca.crt`"
