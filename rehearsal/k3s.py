"""Builds K3s from its Go module, packaged like K3s' releases: one program that unpacks all other programs."""

import shutil
from pathlib import Path

from provider.download import sha256_of
from rehearsal import go
from rehearsal.archive import Packer, packed
from rehearsal.cache import Recipe, Report, obtain

DEFAULT_LABEL = "v1.35.0+k3s1"
MODULE = "github.com/k3s-io/k3s"
COMMIT = "a6c6cd15c0c4"
VERSION = f"v1.35.0-rc1.0.20251218152248-{COMMIT}"
DIGEST = "h1:vdbL+Hu+EPkl1m95oaNFzO9y6LSxpZPlU61+RDaJY7s="
SHIM = "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"
SERVER_TAGS = "ctrd netcgo osusergo providerless urfave_cli_no_docs sqlite_omit_load_extension"
FRONT_TAGS = "urfave_cli_no_docs"
# the archive needs no runc and no CNI plugins, because K3s finds Debian's programs on the machines' PATH
LINKS = (
    *("containerd", "crictl", "ctr", "kubectl"),
    *("k3s-agent", "k3s-certificate", "k3s-completion", "k3s-etcd-snapshot"),
    *("k3s-secrets-encrypt", "k3s-server", "k3s-token"),
)


def k3s(label: str, report: Report) -> Path:
    """Return a folder with `k3s`, `install.sh` and `install.sh.sha256sum`; `k3s` reports the version `label`.

    A build with a new version label only links `k3s` again, because Go caches compiled packages.
    """
    return obtain(program(label, report), report)


def source() -> Recipe:
    """Recipe that copies K3s' sources and embedded manifests to a fixed path, so that Go can reuse its build cache."""

    def make(folder: Path) -> None:
        go.release()
        upstream = go.module(MODULE, VERSION, DIGEST)
        shutil.copytree(upstream, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
        for place in (folder, *(found for found in folder.rglob("*") if found.is_dir())):
            place.chmod(0o755)
        shutil.copytree(folder / "manifests", folder / "pkg/deploy/embed", dirs_exist_ok=True)

    return Recipe("k3s-source", VERSION, (DIGEST,), "downloading its Go module", make)


def program(label: str, report: Report) -> Recipe:
    """Recipe that builds K3s with the version `label`."""
    takes = "building it takes 6 to 8 minutes on two cores, or 1 minute if only the version label is new"
    ingredients = (DIGEST, SERVER_TAGS, FRONT_TAGS, SHIM, *LINKS)
    return Recipe("k3s", label, ingredients, takes, lambda folder: _make(folder, obtain(source(), report), label))


def _make(folder: Path, origin: Path, label: str) -> None:
    go.require_c_compiler()
    variables = _variables(label, go.release())
    work = folder / "work"
    work.mkdir()
    go.build("./cmd/server", work / "k3s", folder=origin, variables=variables, tags=SERVER_TAGS, cgo=True)
    go.build(SHIM, work / "containerd-shim-runc-v2", folder=origin, cgo=True)
    shutil.copyfile(origin / "contrib/util/check-config.sh", work / "check-config")
    data = _pack(work)
    go.build(
        "./cmd/k3s",
        folder / "k3s",
        folder=origin,
        variables={name: value for name, value in variables.items() if name.startswith(MODULE)},
        tags=FRONT_TAGS,
        overlay={origin / "pkg/data/embed" / data.name: data},
        cgo=False,
    )
    for name in ("install.sh", "install.sh.sha256sum"):
        shutil.copyfile(origin / name, folder / name)
    shutil.rmtree(work)


def _variables(label: str, golang: str) -> dict[str, str]:
    return {
        f"{MODULE}/pkg/version.Version": label,
        f"{MODULE}/pkg/version.GitCommit": COMMIT[:8],
        # K3s refuses to start if UpstreamGolang differs from the Go version that built K3s
        f"{MODULE}/pkg/version.UpstreamGolang": golang,
        "k8s.io/component-base/version.gitVersion": label,
        "k8s.io/client-go/pkg/version.gitVersion": label,
    }


def _pack(work: Path) -> Path:
    """Write the data archive that `k3s` embeds; `k3s` requires the archive's SHA-256 as the archive's name."""
    programs = sorted(("check-config", "containerd-shim-runc-v2", "k3s"))
    archive = work / "data.tar.zst"
    with packed(archive) as packer:
        packer.folder("bin")
        for name in programs:
            packer.file(f"bin/{name}", work / name)
        _add_lists(packer, work, programs)
        for name in LINKS:
            packer.link(f"bin/{name}", "k3s")
    return archive.rename(work / f"{sha256_of(archive)}.tar.zst")


def _add_lists(packer: Packer, work: Path, programs: list[str]) -> None:
    """Add the checksum lists with which `k3s` verifies the files that it unpacks."""
    sums = "".join(f"{sha256_of(work / name)}  {name}\n" for name in programs)
    packer.content("bin/.sha256sums", sums.encode())
    packer.content("bin/.links", "".join(f"{name} k3s\n" for name in sorted(LINKS)).encode())
