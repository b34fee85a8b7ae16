"""How the programs the rehearsal needs are downloaded or built."""

import json
import platform
import tarfile
from pathlib import Path

from rehearsal import download, go
from rehearsal.cache import Recipe

SOURCES = Path(__file__).with_name("toolchain")
PULUMI = "3.245.0"
PROVIDER = "4.25.0"
METRICS_SERVER = "0.8.0"  # likewise
COREDNS = "1.13.1"  # of the manifest in the K3s that is built here
PEBBLE = "2.10.3"
PODINFO = "6.9.2"  # of the sample app
OWN = "1"  # version of our own small programs
ARCHIVES = "https://get.pulumi.com/releases/sdk"
RELEASES = "https://github.com/pulumi/pulumi/releases/download"
CLI = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
CLI_VERSION = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
KUBERNETES = "github.com/pulumi/pulumi-kubernetes/provider/v4"


def released_pulumi(version: str, archives: str = ARCHIVES, releases: str = RELEASES) -> Recipe:
    """The official archive: the CLI and its language hosts."""
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    name = f"pulumi-v{version}-linux-{machine}.tar.gz"

    def make(folder: Path) -> None:
        sums = f"{releases}/v{version}/pulumi-{version}-checksums.txt"
        archive = folder / name
        download.file(f"{archives}/{name}", archive, download.stated(download.text(sums), name, sums))
        _programs(archive, folder)
        archive.unlink()

    return Recipe("pulumi", version, (name,), "downloading, 100 MB", make)


def built_pulumi() -> Recipe:
    """The CLI alone, from its Go module."""
    source = SOURCES / "pulumi"

    def make(folder: Path) -> None:
        go.release()
        go.build(CLI, folder / "pulumi", folder=source, variables={CLI_VERSION: f"v{PULUMI}"})

    takes = "building from its Go module: 4 minutes on two cores"
    return Recipe("pulumi-built", PULUMI, sources(source), takes, make)


def built_provider() -> Recipe:
    """Pulumi's Kubernetes provider, from its Go module and the schema in it."""
    source = SOURCES / "kubernetes"

    def make(folder: Path) -> None:
        go.release()
        upstream = go.required(KUBERNETES, source) / "cmd/pulumi-resource-kubernetes"
        schema = folder / "schema.json"
        content = json.loads((upstream / schema.name).read_text()) | {"version": PROVIDER}
        schema.write_text(json.dumps(content, separators=(",", ":")))
        mapping = upstream / "terraform-mapping.json"
        go.build(
            ".",
            folder / "pulumi-resource-kubernetes",
            folder=source,
            variables={f"{KUBERNETES}/pkg/version.Version": PROVIDER},
            overlay={source / file.name: file for file in (schema, mapping)},
        )
        schema.unlink()

    takes = "building from its Go module: 7 minutes on two cores"
    return Recipe("pulumi-resource-kubernetes", PROVIDER, sources(source), takes, make)


def coredns() -> Recipe:
    """CoreDNS, a static program."""
    return _static("coredns", COREDNS, SOURCES / "coredns", "building from its Go module: 2 minutes on two cores")


def pause() -> Recipe:
    """The program that sleeps, or with `exit` ends at once: static."""
    return _static("pause", OWN, SOURCES / "pause", "building, seconds")


def podinfo() -> Recipe:
    """The sample app's program: static."""
    source = SOURCES / "podinfo"
    takes = "building from its Go module: 1 minute on two cores"
    return _static("podinfo", PODINFO, source, takes, "github.com/stefanprodan/podinfo/cmd/podinfo")


def pebble() -> Recipe:
    """An ACME server, which a lab has in place of Let's Encrypt: static."""
    return _static("pebble", PEBBLE, SOURCES / "pebble", "building from its Go module: 1 minute on two cores")


def metrics_server() -> Recipe:
    """K3s' metrics server: static. Without one that answers, no namespace can be deleted."""
    source = SOURCES / "metrics-server"
    takes = "building from its Go module: 4 minutes on two cores"
    return _static("metrics-server", METRICS_SERVER, source, takes, "sigs.k8s.io/metrics-server/cmd/metrics-server")


def sources(folder: Path) -> tuple[bytes, ...]:
    """What a module's folder holds, for the ingredients of a recipe."""
    return tuple(file.read_bytes() for file in sorted(folder.glob("*.*")))


def _static(name: str, version: str, source: Path, takes: str, package: str = ".") -> Recipe:
    def make(folder: Path) -> None:
        go.release()
        go.build(package, folder / name, folder=source, cgo=False)

    return Recipe(name, version, sources(source), takes, make)


def _programs(archive: Path, folder: Path) -> None:
    """Unpack the programs in the archive's one folder."""
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content:
                program = folder / Path(member.name).name
                program.write_bytes(content.read())
                program.chmod(0o755)
