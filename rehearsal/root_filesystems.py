"""Small root file systems from Debian's packages, for the images of Argo CD, Redis and HAProxy, and for the lab's Git
server."""

import shutil
from pathlib import Path

from rehearsal import debian
from rehearsal.cache import Recipe, code_of
from rehearsal.debian import RootFilesystem

PACKAGES = ("git", "openssh-client", "openssh-server", "gpg", "gpg-agent", "haproxy", "redis-server", "tini")
REPOSITORIES = "/git"
"""Folder of the repositories in the root file system of the Git server."""
ARGOCD = ("server", "repo-server", "application-controller", "applicationset-controller")
"""Names under which the image starts Argo CD's only program, without the prefix `argocd-`."""
GIT_SERVER = "git-server"
GIT_UID = 60022
"""User ID and group ID of the Git server, in a range from which Debian assigns no IDs to local users."""
_GIT = (
    *(f"usr/bin/{name}" for name in ("sh", "git", "git-receive-pack", "git-shell", "git-upload-pack")),
    *(f"usr/lib/git-core/git-{name}" for name in ("http-backend", "remote-http", "remote-https")),
)
_ROOT = "root:x:0:0::/:/bin/sh"
_SHELL_TOOLS = tuple(
    f"usr/bin/{name}"
    for name in ("bash", "cat", "cp", "date", "getent", "grep", "head", "mawk", "mkdir", "sed", "seq", "sleep")
)
"""Programs that the scripts of the replicated Redis call. The scripts need bash, because they use `[[`."""
_LINKS = {"usr/bin/sh": "bash", "usr/bin/awk": "mawk"}
_NAME_RESOLUTION = {"etc/nsswitch.conf": "hosts: files dns\n"}
ROOT_FILESYSTEMS = {
    "argocd": RootFilesystem(
        (*_GIT, *(f"usr/bin/{name}" for name in ("cat", "cp", "gpg", "gpg-agent", "gpgconf", "ln", "ssh", "tini"))),
        (_ROOT, "argocd:x:999:999::/home/argocd:/bin/sh"),
        folders=("home/argocd", *(f"app/config/{name}" for name in ("ssh", "tls", "gpg/source", "gpg/keys"))),
        links={
            "etc/ssh/ssh_known_hosts": "/app/config/ssh/ssh_known_hosts",
            **{f"usr/local/bin/argocd-{name}": "argocd" for name in ARGOCD},
        },
    ),
    "redis": RootFilesystem(
        (*_SHELL_TOOLS, "usr/bin/redis-server", "usr/bin/redis-cli"),
        (_ROOT, "redis:x:999:999::/:/bin/sh"),
        files=_NAME_RESOLUTION,
        links={**_LINKS, "usr/bin/redis-sentinel": "redis-server"},  # the program's name selects its role
    ),
    "haproxy": RootFilesystem(
        (*_SHELL_TOOLS, "usr/sbin/haproxy"), (_ROOT, "haproxy:x:99:99::/:/bin/sh"), files=_NAME_RESOLUTION, links=_LINKS
    ),
    GIT_SERVER: RootFilesystem(
        (*_GIT, "usr/sbin/sshd", "usr/lib/openssh/sshd-auth", "usr/lib/openssh/sshd-session"),
        (_ROOT, f"git:x:{GIT_UID}:{GIT_UID}::{REPOSITORIES}:/usr/bin/git-shell"),
        folders=(REPOSITORIES.removeprefix("/"), "dev", "proc"),
        files={"etc/gitconfig": "[safe]\n\tdirectory = *\n"},
    ),
}


def recipe() -> Recipe:
    """Recipe that builds all root file systems: the archive `NAME.tar` for each image, and a folder for the Git
    server."""

    def make(folder: Path) -> None:
        work = folder / "work"
        work.mkdir()
        system = debian.unpack(PACKAGES, work)
        for name, rootfs in ROOT_FILESYSTEMS.items():
            target = folder / name if name == GIT_SERVER else work / name
            debian.assemble(rootfs, system, target)
            if name != GIT_SERVER:
                debian.pack(target, folder / f"{name}.tar")
        shutil.rmtree(work)

    ingredients = (*PACKAGES, repr(ROOT_FILESYSTEMS), code_of(debian.__file__))
    return Recipe("git-and-redis", debian.RELEASE, ingredients, "from Debian's packages, half a minute", make)
