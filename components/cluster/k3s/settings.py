"""Settings of K3s: version, downloads, snapshots, rotation, options, registries."""

from typing import Literal

from pydantic import Field

from components.settings.fields import (
    Bucket,
    Certificate,
    HostPort,
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
from components.settings.model import Model, SecretRef

Options = dict[OptionName, OptionValue]


class Pins(Model):
    """SHA-256 checksums of the K3s release, written by `./homelab pin`. Without pins, only HTTPS protects downloads."""

    amd64: Sha256 | None = None
    """Checksum of `sha256sum-amd64.txt`, which lists the checksums of the binary and the images for amd64."""
    arm64: Sha256 | None = None
    """Checksum of `sha256sum-arm64.txt`, which lists the checksums of the binary and the images for arm64."""
    arm: Sha256 | None = None
    """Checksum of `sha256sum-arm.txt`, which lists the checksums of the binary and the images for 32-bit ARM."""
    installer: Sha256 | None = None
    """Checksum of K3s' `install.sh`."""


class S3Settings(Model):
    """S3 bucket to which K3s copies etcd snapshots."""

    endpoint: HostPort = "s3.amazonaws.com"
    """Host of the S3 service, optionally with a port. Connections use HTTPS."""
    bucket: Bucket
    """Name of the bucket, which must already exist."""
    region: Text = "us-east-1"
    """Region of the bucket."""
    folder: Text | None = None
    """Folder in the bucket. Default: the root of the bucket."""
    access_key: SecretRef
    """Secret that contains the access key ID."""
    secret_key: SecretRef
    """Secret that contains the secret access key."""
    endpoint_ca: Certificate | None = None
    """CA certificate of the S3 service, as printed by `base64 -w0 ca.pem`. Default: the CAs that the machines trust."""
    retention: PositiveInt = 15
    """Number of scheduled snapshots of all servers together that K3s retains in the bucket."""


class SnapshotSettings(Model):
    """Settings of the etcd snapshots that K3s takes on every server."""

    schedule: Schedule = "0 */12 * * *"
    """Cron schedule of the etcd snapshots: minute, hour, day of the month, month, day of the week."""
    retention: PositiveInt = 5
    """Number of scheduled etcd snapshots that each server retains on its disk."""
    s3: S3Settings | None = None
    """S3 bucket for copies of the etcd snapshots. Default: K3s stores snapshots on the servers only."""


class RotationSettings(Model):
    """Rotation numbers of credentials. Raising a credential's rotation number rotates the credential."""

    token: PositiveInt = 1
    """Rotation number of the join tokens. Restoring an etcd snapshot requires the token that was valid at the time
    of the snapshot."""
    certificates: PositiveInt = 1
    """Rotation number of the servers' K3s certificates."""
    kubeconfigs: PositiveInt = 1
    """Rotation number of the administrator's and the app stacks' kubeconfigs. A rotation revokes the permissions of
    older kubeconfigs."""


class K3sSettings(Model):
    """Settings of K3s, such as version, download source and options."""

    version: K3sVersion
    """K3s release to install."""
    mirror: Url | None = None
    """URL from which machines download K3s releases, with the files of a release under `MIRROR/VERSION/`. Default:
    GitHub."""
    pins: Pins = Pins()
    """Checksums that a K3s release from GitHub or from a mirror must match."""
    secrets_encryption: StrictBool = True
    """Encrypt Kubernetes Secrets at rest in etcd."""
    snapshots: SnapshotSettings = SnapshotSettings()
    """Schedule, retention and S3 copies of etcd snapshots."""
    rotation: RotationSettings = RotationSettings()
    """Rotation of tokens, certificates and kubeconfigs. To rotate credentials, raise the rotation number by one,
    and run `pulumi up` with no other change."""
    disable: tuple[Literal["coredns", "local-storage", "metrics-server"], ...] = ()
    """Packaged K3s components to disable. homelab always disables traefik, servicelb and gateway-api-crd."""
    options: Options = Field(default_factory=dict)
    """Additional K3s options for all nodes, written as in K3s' config.yaml."""
    server_options: Options = Field(default_factory=dict)
    """Additional K3s options for all servers."""
    agent_options: Options = Field(default_factory=dict)
    """Additional K3s options for all agents."""


class MirrorSettings(Model):
    """Mirrors of one image registry."""

    endpoints: tuple[Url, ...] = ()
    """URLs of mirrors. containerd tries the mirrors in this order before the registry itself."""


class RegistryAuthSettings(Model):
    """Login at one image registry."""

    username: Text
    """User name."""
    password: SecretRef
    """Secret that contains the password or token."""


class RegistriesSettings(Model):
    """Image registries in the containerd configuration of every node."""

    embedded: StrictBool = False
    """Enable K3s' embedded registry mirror: nodes share images of the registries under `mirrors` with each other."""
    mirrors: dict[Registry, MirrorSettings] = Field(default_factory=dict)
    """Mirrors by registry. The entry `*` applies to all registries without an entry of their own."""
    auth: dict[Registry, RegistryAuthSettings] = Field(default_factory=dict)
    """Logins by registry host."""
