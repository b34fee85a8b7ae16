"""Recipes that download or build the programs that the rehearsal needs."""

import json
import platform
import tarfile
from pathlib import Path

from rehearsal import download, go
from rehearsal.cache import Recipe

SOURCES = Path(__file__).with_name("toolchain")
PULUMI_VERSION = "3.245.0"
PROVIDER_VERSION = "4.25.0"
METRICS_SERVER_VERSION = "0.8.0"  # as in the manifests of the K3s that is built here
COREDNS_VERSION = "1.13.1"  # as in the manifests of the K3s that is built here
PEBBLE_VERSION = "2.10.3"
PODINFO_VERSION = "6.9.2"  # as in the sample app
OWN_VERSION = "1"  # version of the project's own small programs
ARCHIVES_URL = "https://get.pulumi.com/releases/sdk"
RELEASES_URL = "https://github.com/pulumi/pulumi/releases/download"
CLI_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
CLI_VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
PROVIDER_MODULE = "github.com/pulumi/pulumi-kubernetes/provider/v4"


def released_pulumi(version: str, archives: str = ARCHIVES_URL, releases: str = RELEASES_URL) -> Recipe:
    """Recipe that downloads Pulumi's official archive, with the CLI and the language hosts."""
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    name = f"pulumi-v{version}-linux-{machine}.tar.gz"

    def make(folder: Path) -> None:
        sums = f"{releases}/v{version}/pulumi-{version}-checksums.txt"
        archive = folder / name
        download.file(f"{archives}/{name}", archive, download.checksum_of(download.text(sums), name, sums))
        _programs(archive, folder)
        archive.unlink()

    return Recipe("pulumi", version, (name,), "downloading, 100 MB", make)


def built_pulumi() -> Recipe:
    """Recipe that builds Pulumi's CLI, without language hosts, from its Go module."""
    source = SOURCES / "pulumi"

    def make(folder: Path) -> None:
        go.release()
        go.build(CLI_PACKAGE, folder / "pulumi", folder=source, variables={CLI_VERSION_VARIABLE: f"v{PULUMI_VERSION}"})

    takes = "building it from its Go module takes about 4 minutes on two cores"
    return Recipe("pulumi-built", PULUMI_VERSION, sources(source), takes, make)


def built_provider() -> Recipe:
    """Recipe that builds Pulumi's Kubernetes provider from its Go module, which contains the provider's schema."""
    source = SOURCES / "kubernetes"

    def make(folder: Path) -> None:
        go.release()
        upstream = go.required(PROVIDER_MODULE, source) / "cmd/pulumi-resource-kubernetes"
        schema = folder / "schema.json"
        content = json.loads((upstream / schema.name).read_text()) | {"version": PROVIDER_VERSION}
        schema.write_text(json.dumps(content, separators=(",", ":")))
        mapping = upstream / "terraform-mapping.json"
        go.build(
            ".",
            folder / "pulumi-resource-kubernetes",
            folder=source,
            variables={f"{PROVIDER_MODULE}/pkg/version.Version": PROVIDER_VERSION},
            overlay={source / file.name: file for file in (schema, mapping)},
        )
        schema.unlink()

    takes = "building it from its Go module takes about 7 minutes on two cores"
    return Recipe("pulumi-resource-kubernetes", PROVIDER_VERSION, sources(source), takes, make)


def coredns() -> Recipe:
    """Recipe that builds CoreDNS as a statically linked binary."""
    takes = "building it from its Go module takes about 2 minutes on two cores"
    return _static("coredns", COREDNS_VERSION, SOURCES / "coredns", takes)


def pause() -> Recipe:
    """Recipe that builds the program of stand-in images, which sleeps, or exits at once with the argument `exit`."""
    return _static("pause", OWN_VERSION, SOURCES / "pause", "building it takes some seconds")


def klipper_lb() -> Recipe:
    """Recipe that builds a program that forwards connections, as the image of K3s' ServiceLB does with iptables."""
    return _static("klipper-lb", OWN_VERSION, SOURCES / "klipper-lb", "building, seconds")


def podinfo() -> Recipe:
    """Recipe that builds podinfo, the sample app's program, as a statically linked binary."""
    source = SOURCES / "podinfo"
    takes = "building it from its Go module takes about 1 minute on two cores"
    return _static("podinfo", PODINFO_VERSION, source, takes, "github.com/stefanprodan/podinfo/cmd/podinfo")


def pebble() -> Recipe:
    """Recipe that builds Pebble, the ACME server that replaces Let's Encrypt, as a statically linked binary."""
    takes = "building it from its Go module takes about 1 minute on two cores"
    return _static("pebble", PEBBLE_VERSION, SOURCES / "pebble", takes)


def metrics_server() -> Recipe:
    """Recipe that builds K3s' metrics server as a statically linked binary.

    The rehearsal needs the metrics server, because Kubernetes deletes no namespace while the metrics API is
    unavailable.
    """
    source = SOURCES / "metrics-server"
    takes = "building it from its Go module takes about 4 minutes on two cores"
    return _static(
        "metrics-server", METRICS_SERVER_VERSION, source, takes, "sigs.k8s.io/metrics-server/cmd/metrics-server"
    )


def sources(folder: Path) -> tuple[bytes, ...]:
    """Return the contents of the files in a Go module's folder, which are part of a recipe's cache key."""
    return tuple(file.read_bytes() for file in sorted(folder.glob("*.*")))


def _static(name: str, version: str, source: Path, takes: str, package: str = ".") -> Recipe:
    def make(folder: Path) -> None:
        go.release()
        go.build(package, folder / name, folder=source, cgo=False)

    return Recipe(name, version, sources(source), takes, make)


def _programs(archive: Path, folder: Path) -> None:
    """Unpack all programs of a tar archive into `folder`, without subfolders."""
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content:
                program = folder / Path(member.name).name
                program.write_bytes(content.read())
                program.chmod(0o755)
