"""K3s settings of the stack file: version, downloads, etcd snapshots, rotation, options and image registries."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from components.settings.errors import setting_error
from components.settings.fields import (
    Bucket,
    Certificate,
    DnsLabel,
    HostPort,
    IssuingCa,
    K3sVersion,
    OptionName,
    OptionValue,
    PositiveInt,
    Registry,
    Schedule,
    Sha256,
    StrictBool,
    Text,
    Url,
)
from components.settings.kubernetes_fields import AbsolutePath, MultilineText, matching
from components.settings.model import Model, SecretRef

RewritePattern = Annotated[
    str, matching("pattern", r"[^\s]+", "write a regular expression without spaces, such as ^library/(.*)")
]
Options = dict[OptionName, OptionValue]


_ALWAYS_OFF = {
    "servicelb": "k3s.servicelb decides whether K3s' ServiceLB runs",
    "traefik": "the layer traefik serves Ingresses instead",
    "gateway-api-crd": "otherwise K3s would replace the CRDs of the layer traefik",
}
_OFF_BY_OPTION = ("cloud-controller", "helm-controller", "kube-proxy")


def _packaged_component(value: object) -> object:
    """Explain why homelab does not disable a component that K3s can disable."""
    if isinstance(value, str) and value in _ALWAYS_OFF:
        reason = "is disabled by default" if value == "servicelb" else "is always disabled"
        raise setting_error(f"{reason}: {_ALWAYS_OFF[value]}", "remove it")
    if value in _OFF_BY_OPTION:
        fix = f"set k3s.serverOptions: {{disable-{value}: true}}"
        raise setting_error("is not a packaged component of K3s", fix)
    return value


PackagedComponent = Annotated[
    Literal["coredns", "local-storage", "metrics-server"], BeforeValidator(_packaged_component)
]


class Pins(Model):
    """SHA-256 checksums of a K3s release, which `./homelab pin` writes into the stack file.

    Without pinned checksums, only HTTPS protects the downloads of K3s.
    """

    amd64: Sha256 | None = None
    """SHA-256 checksum of `sha256sum-amd64.txt`, which contains the checksums of K3s' binary and images for amd64."""
    arm64: Sha256 | None = None
    """SHA-256 checksum of `sha256sum-arm64.txt`, which contains the checksums of K3s' binary and images for arm64."""
    arm: Sha256 | None = None
    """SHA-256 checksum of `sha256sum-arm.txt`, which contains the checksums of K3s' binary and images for 32-bit
    ARM."""
    installer: Sha256 | None = None
    """SHA-256 checksum of `install.sh`, which installs K3s."""


class S3Settings(Model):
    """S3 bucket to which K3s uploads etcd snapshots."""

    endpoint: HostPort = "s3.amazonaws.com"
    """Host name of the S3 service, optionally with a port. Connections use HTTPS."""
    bucket: Bucket
    """Name of the S3 bucket, which must already exist."""
    region: Text = "us-east-1"
    """Region of the S3 bucket."""
    folder: Text | None = None
    """Folder in the S3 bucket. Default: the root folder of the bucket."""
    access_key: SecretRef
    """Pulumi secret that contains the access key ID of the S3 service."""
    secret_key: SecretRef
    """Pulumi secret that contains the secret access key of the S3 service."""
    endpoint_ca: Certificate | None = None
    """CA certificate of the S3 service, encoded with `base64 -w0 ca.pem`. Default: the CA certificates that the
    machines trust."""
    retention: PositiveInt = 15
    """Number of scheduled etcd snapshots from all servers that K3s retains in the S3 bucket."""


class SnapshotSettings(Model):
    """Settings of the etcd snapshots that K3s takes on every server."""

    schedule: Schedule = "0 */12 * * *"
    """Cron schedule of etcd snapshots: minute, hour, day of the month, month, day of the week."""
    retention: PositiveInt = 5
    """Number of scheduled etcd snapshots that K3s retains on each server's disk."""
    s3: S3Settings | None = None
    """S3 bucket to which K3s uploads copies of etcd snapshots. Default: none, so K3s stores etcd snapshots only on the
    servers' disks."""


class RotationSettings(Model):
    """Rotation numbers of tokens, certificates and kubeconfigs.

    If you raise the rotation number of a credential, `pulumi up` replaces the credential.
    """

    token: PositiveInt = 1
    """Rotation number of the tokens with which machines join the cluster. To restore an etcd snapshot, K3s needs the
    token that was valid when K3s took the snapshot."""
    certificates: PositiveInt = 1
    """Rotation number of the TLS certificates that K3s creates on servers."""
    kubeconfigs: PositiveInt = 1
    """Rotation number of the kubeconfigs of the administrator and of app stacks. A rotation revokes the permissions of
    the replaced kubeconfigs."""


class OwnCaSettings(Model):
    """Your own CA, which signs the CAs of the cluster."""

    certificate: IssuingCa
    """Certificate of the CA as one line of base64-encoded PEM, as `base64 -w0 ca.pem` prints it. If another CA signed
    it, `ca.pem` must also contain the certificates up to the root CA."""
    private_key: SecretRef
    """Pulumi secret that contains the private key of the CA, as PEM without a passphrase."""


class K3sSettings(Model):
    """Settings of K3s, such as the version, the download source and additional options."""

    version: K3sVersion
    """K3s release to install."""
    mirror: Url | None = None
    """URL of a K3s mirror. Machines download the files of a K3s release from `MIRROR/VERSION/`. Default: GitHub."""
    pins: Pins = Pins()
    """Checksums of the K3s release, which every download of K3s must match."""
    secrets_encryption: StrictBool = True
    """Whether K3s encrypts Kubernetes Secrets at rest in etcd."""
    snapshots: SnapshotSettings = SnapshotSettings()
    """Schedule and retention of etcd snapshots, and their copies in an S3 bucket."""
    rotation: RotationSettings = RotationSettings()
    """Rotation numbers of tokens, certificates and kubeconfigs. To rotate a credential, add 1 to its rotation number,
    and run `pulumi up` without any other change."""
    disable: tuple[PackagedComponent, ...] = ()
    """Packaged components of K3s that homelab disables. homelab always disables traefik and gateway-api-crd, and
    disables servicelb unless `servicelb` is true."""
    ca: OwnCaSettings | None = None
    """Your own CA, which signs the CAs of the cluster at the bootstrap, and cannot be changed later. Default: K3s
    creates self-signed CAs."""
    audit: StrictBool = False
    """Whether the API server writes an audit log to /var/lib/rancher/k3s/server/logs/audit.log. `hardening: cis` always
    does so. To use a policy of your own, create a file with `machine.files`, and set `audit-policy-file` in
    `kube-apiserver-arg` under `serverOptions`."""
    manifests: dict[DnsLabel, MultilineText] = Field(default_factory=dict)
    """Kubernetes objects that K3s creates at its start, as the files in its folder `server/manifests`: name → YAML. K3s
    deletes the objects that you remove. Secrets are refused."""
    servicelb: StrictBool = False
    """Whether K3s' ServiceLB serves Services of type LoadBalancer at the nodes' own addresses, instead of the layer
    `metallb` or `cilium`."""
    options: Options = Field(default_factory=dict)
    """Additional K3s options for all nodes, in the format of K3s' config.yaml."""
    server_options: Options = Field(default_factory=dict)
    """Additional K3s options for all servers, in the format of K3s' config.yaml."""
    agent_options: Options = Field(default_factory=dict)
    """Additional K3s options for all agents, in the format of K3s' config.yaml."""

    @property
    def options_by_key(self) -> dict[str, Options]:
        """K3s options for several nodes, by their key in the stack file."""
        return {"options": self.options, "serverOptions": self.server_options, "agentOptions": self.agent_options}


class MirrorSettings(Model):
    """Mirrors of one image registry."""

    endpoints: tuple[Url, ...] = ()
    """URLs of registry mirrors. containerd tries the mirrors in the order of the list, and then the registry itself.
    A registry without TLS has a URL with http://."""
    rewrite: dict[RewritePattern, Text] = Field(default_factory=dict)
    """Other names of images at the mirrors: regular expression → replacement, in which `$1` is the first group."""


class RegistryAuthSettings(Model):
    """Login at one image registry."""

    username: Text
    """User name."""
    password: SecretRef
    """Pulumi secret that contains the password or token for the image registry."""


class RegistryTlsSettings(Model):
    """TLS of one image registry. The paths are files on the machines, which `machine.files` can create."""

    ca_file: AbsolutePath | None = None
    """File with the CA certificate of the registry. Default: the CA certificates that the machines trust."""
    cert_file: AbsolutePath | None = None
    """File with the client certificate for the registry."""
    key_file: AbsolutePath | None = None
    """File with the private key of the client certificate."""
    insecure_skip_verify: StrictBool = False
    """Whether containerd accepts every certificate of the registry."""


class RegistriesSettings(Model):
    """Settings of image registries, which homelab writes into the containerd configuration of all nodes."""

    embedded: StrictBool = False
    """Whether K3s' embedded registry mirror (Spegel) is enabled: nodes pull images from each other, for the registries
    listed under `mirrors`."""
    mirrors: dict[Registry, MirrorSettings] = Field(default_factory=dict)
    """Mirrors by registry. The entry `*` sets the mirrors of every registry that has no entry of its own."""
    auth: dict[Registry, RegistryAuthSettings] = Field(default_factory=dict)
    """Logins by registry host."""
    tls: dict[Registry, RegistryTlsSettings] = Field(default_factory=dict)
    """TLS by registry host, such as `registry.lan:5000`."""
