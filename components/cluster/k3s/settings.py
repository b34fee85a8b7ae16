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
    """SHA-256 checksums of the K3s release, written by `./homelab pin`. Without them, only HTTPS protects downloads."""

    amd64: Sha256 | None = None
    """Checksum of `sha256sum-amd64.txt`, which lists the checksums of the binary and the images for amd64."""
    arm64: Sha256 | None = None
    """Checksum of `sha256sum-arm64.txt`, the list for arm64."""
    arm: Sha256 | None = None
    """Checksum of `sha256sum-arm.txt`, the list for 32-bit arm."""
    installer: Sha256 | None = None
    """Checksum of K3s' `install.sh`."""


class S3Settings(Model):
    """S3 bucket that etcd snapshots are copied to."""

    endpoint: HostPort = "s3.amazonaws.com"
    """Host of the S3 service, optionally with its port. Connections use HTTPS."""
    bucket: Bucket
    """Bucket. It must exist."""
    region: Text = "us-east-1"
    """Region of the bucket."""
    folder: Text | None = None
    """Folder in the bucket. Default: the root of the bucket."""
    access_key: SecretRef
    """Secret that contains the access key ID."""
    secret_key: SecretRef
    """Secret that contains the secret access key."""
    endpoint_ca: Certificate | None = None
    """CA certificate of the S3 service, as printed by `base64 -w0 ca.pem`. Default: the CAs that machines trust."""
    retention: PositiveInt = 15
    """Number of scheduled snapshots to retain in the bucket, all servers together."""


class SnapshotSettings(Model):
    """etcd snapshots, taken on every server."""

    schedule: Schedule = "0 */12 * * *"
    """Cron schedule of the snapshots: minute, hour, day of the month, month, day of the week."""
    retention: PositiveInt = 5
    """Number of scheduled snapshots that each server retains on its disk."""
    s3: S3Settings | None = None
    """Bucket for copies of the snapshots. Default: snapshots stay on the servers only."""


class RotationSettings(Model):
    """Rotation numbers: raising a number rotates the credentials it stands for."""

    token: PositiveInt = 1
    """Rotation number of the join tokens. Restoring a snapshot needs the token from the time of the snapshot."""
    certificates: PositiveInt = 1
    """Rotation number of the servers' K3s certificates."""
    kubeconfigs: PositiveInt = 1
    """Rotation number of the kubeconfigs of administrator and app stacks. Older ones lose their permissions."""


class K3sSettings(Model):
    """K3s: version, download source, and options."""

    version: K3sVersion
    """K3s release to install."""
    mirror: Url | None = None
    """URL to download K3s releases from, with each version under `MIRROR/VERSION/`. Default: GitHub."""
    pins: Pins = Pins()
    """Checksums that the downloaded release must match, from GitHub or a mirror."""
    secrets_encryption: StrictBool = True
    """Encrypt Kubernetes Secrets at rest in etcd."""
    snapshots: SnapshotSettings = SnapshotSettings()
    """Schedule, retention and S3 copies of etcd snapshots."""
    rotation: RotationSettings = RotationSettings()
    """Rotation of tokens, certificates and kubeconfigs: raise a number by one, and run `pulumi up` with no other
    change."""
    disable: tuple[Literal["coredns", "local-storage", "metrics-server"], ...] = ()
    """Packaged K3s components to disable, in addition to traefik, servicelb and gateway-api-crd."""
    options: Options = Field(default_factory=dict)
    """Additional K3s options for all nodes, as in K3s' config.yaml."""
    server_options: Options = Field(default_factory=dict)
    """Additional K3s options for servers."""
    agent_options: Options = Field(default_factory=dict)
    """Additional K3s options for agents."""


class MirrorSettings(Model):
    """Mirrors of one image registry."""

    endpoints: tuple[Url, ...] = ()
    """URLs of mirrors, tried in this order before the registry itself."""


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
    """Mirrors by registry. `*` matches all other registries."""
    auth: dict[Registry, RegistryAuthSettings] = Field(default_factory=dict)
    """Logins by registry host."""
