"""K3s itself: version, artefacts, snapshots, options, registries."""

from typing import Literal

from pydantic import Field

from components.fields import (
    Bucket,
    Certificate,
    Count,
    HostPort,
    K3sVersion,
    OptionName,
    OptionValue,
    Registry,
    Schedule,
    Sha256,
    Switch,
    Text,
    Url,
)
from components.model import Model, SecretRef

Options = dict[OptionName, OptionValue]


class Pins(Model):
    """SHA-256 checksums of the release, as `./homelab pin` writes them; without a pin, HTTPS alone vouches for it."""

    amd64: Sha256 | None = None
    """Checksum of `sha256sum-amd64.txt`, which has those of the binary and the images for amd64."""
    arm64: Sha256 | None = None
    """Checksum of `sha256sum-arm64.txt`, the same for arm64."""
    arm: Sha256 | None = None
    """Checksum of `sha256sum-arm.txt`, the same for 32-bit arm."""
    installer: Sha256 | None = None
    """Checksum of K3s' `install.sh`."""


class S3Settings(Model):
    """Where snapshots of etcd are copied to."""

    endpoint: HostPort = "s3.amazonaws.com"
    """Host of the S3 service, spoken to over HTTPS."""
    bucket: Bucket
    """Bucket, which must exist."""
    region: Text = "us-east-1"
    """Region of the bucket."""
    folder: Text | None = None
    """Folder in the bucket. Default: its top."""
    access_key: SecretRef
    """Secret that holds the access key."""
    secret_key: SecretRef
    """Secret that holds the secret key."""
    endpoint_ca: Certificate | None = None
    """Authority of its certificate, where it is none that all computers trust, as `base64 -w0 ca.pem` prints it."""
    retention: Count = 15
    """How many scheduled snapshots are kept there, those of all servers together."""


class SnapshotSettings(Model):
    """Snapshots of etcd, taken on every server."""

    schedule: Schedule = "0 */12 * * *"
    """When, as a cron schedule: minute, hour, day of the month, month, day of the week."""
    retention: Count = 5
    """How many snapshots each server keeps."""
    s3: S3Settings | None = None
    """Where copies go. Default: they stay on the servers."""


class RotationSettings(Model):
    """What is made anew when its number is raised."""

    token: Count = 1
    """Tokens with which machines join; a snapshot needs the token of its time."""
    certificates: Count = 1
    """Certificates of the servers."""
    kubeconfigs: Count = 1
    """Kubeconfigs of the administrator and of app stacks; those made before lose their rights."""


class K3sSettings(Model):
    """K3s: which, from where, with which options."""

    version: K3sVersion
    """Release of K3s."""
    mirror: Url | None = None
    """Where the release's files are fetched instead of GitHub, those of a version under `MIRROR/VERSION/`."""
    pins: Pins = Pins()
    """Checksums that the release must have, whoever hands it over."""
    secrets_encryption: Switch = True
    """Encrypt Kubernetes secrets at rest in etcd."""
    snapshots: SnapshotSettings = SnapshotSettings()
    """Snapshots of etcd."""
    rotation: RotationSettings = RotationSettings()
    """Tokens, certificates, kubeconfigs: raise a number by one, in an `up` of its own, to have them made anew."""
    disable: tuple[Literal["coredns", "local-storage", "metrics-server"], ...] = ()
    """Packaged components to leave out, besides traefik, servicelb and gateway-api-crd."""
    options: Options = Field(default_factory=dict)
    """Further K3s options of every node, as in K3s' config.yaml."""
    server_options: Options = Field(default_factory=dict)
    """Further K3s options of the servers."""
    agent_options: Options = Field(default_factory=dict)
    """Further K3s options of the agents."""


class MirrorSettings(Model):
    """Where images of one registry come from."""

    endpoints: tuple[Url, ...] = ()
    """Mirrors, tried in this order before the registry itself."""


class RegistryAuthSettings(Model):
    """Login at one registry."""

    username: Text
    """User name."""
    password: SecretRef
    """Secret that holds the password or token."""


class RegistriesSettings(Model):
    """Image registries, as containerd uses them on every node."""

    embedded: Switch = False
    """Nodes share the images of the registries under `mirrors` with each other (K3s' embedded registry)."""
    mirrors: dict[Registry, MirrorSettings] = Field(default_factory=dict)
    """Mirrors by registry; `*` stands for all others."""
    auth: dict[Registry, RegistryAuthSettings] = Field(default_factory=dict)
    """Logins by registry."""
