"""Images of apps with their real programs, built from Go modules and Debian packages for the drill of real apps."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rehearsal import debian, go
from rehearsal.cache import Recipe, code_of, obtain
from rehearsal.debian import RootFilesystem
from rehearsal.images import Image
from rehearsal.programs import Program
from rehearsal.shell import run

MINIFLUX, NEW_MINIFLUX = "ghcr.io/miniflux/miniflux:2.2.19", "ghcr.io/miniflux/miniflux:2.3.5"
BUSYBOX = "busybox:1.37.0"
NGINX = "registry.example.com/nginx:1.26.3"
PACKAGES = ("bind9-dnsutils", "busybox", "mosquitto", "mosquitto-clients", "nginx")
CLIENTS = "clients"
"""Folder with the root file system of the clients, which run in the network of the lab."""
_ROOT, _NOBODY = "root:x:0:0::/:/bin/sh", "nobody:x:65534:65534::/:/bin/sh"
_MQTT = ("usr/bin/mosquitto_passwd", "usr/bin/mosquitto_pub", "usr/bin/mosquitto_sub")


@dataclass(frozen=True)
class GoApp:
    """The image `name` of a Go program, which is built in the folder of its own Go module.

    `digest` is the h1: digest of the module, which contains the go.sum with the digests of all required modules.
    `entrypoint`, `env` and `user` are those of the app's published image.
    """

    name: str
    module: str
    version: str
    digest: str
    entrypoint: tuple[str, ...]
    user: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)

    def recipe(self) -> Recipe:
        """Recipe that builds the program."""

        def make(folder: Path) -> None:
            go.release()
            source = go.module(self.module, self.version, self.digest)
            go.build(".", folder / "program", folder=source, variables=self.variables, cgo=False)

        name = f"app-{self.name.rpartition('/')[2].partition(':')[0]}"
        return Recipe(name, self.version, (repr(self),), "building it from its Go module takes some minutes", make)

    def program(self) -> Program:
        """The program, which no chart of the platform runs."""
        path = self.entrypoint[0]
        return Program(
            (),
            self.recipe,
            lambda folder: (Image(self.name, {path: folder / "program"}, self.entrypoint, self.user, env=self.env),),
        )


def _miniflux(name: str, digest: str) -> GoApp:
    module, version = "miniflux.app/v2", name.rpartition(":")[2]
    variables = {f"{module}/internal/version.Version": version}
    env = {"LISTEN_ADDR": "0.0.0.0:8080"}
    return GoApp(name, module, f"v{version}", digest, ("/usr/bin/miniflux",), "65534", env, variables)


GO_APPS = (
    _miniflux(MINIFLUX, "h1:0qWGrWiIZLfjFgagZZnpUCkbmnxySqapGNGshIjowOQ="),
    _miniflux(NEW_MINIFLUX, "h1:Ani/5wcX3WMSGiAD6oLHzV0Ns8CoAXfTCMIZz3D7PrU="),
    GoApp(
        "docker.io/adguard/adguardhome:v0.107.77",
        "github.com/AdguardTeam/AdGuardHome",
        "v0.107.77",
        "h1:ww0v2QcgVWNkHrQvdORCBmUOkvVOSryW13a8sY5qt3Q=",
        (
            "/opt/adguardhome/AdGuardHome", "--no-check-update", "-c", "/opt/adguardhome/conf/AdGuardHome.yaml",
            "-w", "/opt/adguardhome/work",
        ),
    ),
    GoApp(
        "ghcr.io/twin/gatus:v5.36.0",
        "github.com/TwiN/gatus/v5",
        "v5.36.0",
        "h1:htpXnA4ESSqarxy1hRhrQLsyfp6Q30vb3X/yDC3Cb80=",
        ("/gatus",),
    ),
)  # fmt: skip


def debian_apps() -> Recipe:
    """Recipe for the root file systems of the images with Debian's programs, and of the clients."""

    def make(folder: Path) -> None:
        work = folder / "work"
        work.mkdir()
        system = debian.unpack(PACKAGES, work)
        applets = run(["chroot", system, "busybox", "--list"]).split()
        for name, rootfs in _root_filesystems(applets).items():
            target = folder / name if name == CLIENTS else work / name
            debian.assemble(rootfs, system, target)
            if name != CLIENTS:
                debian.pack(target, folder / f"{name}.tar")
        shutil.rmtree(work)

    ingredients = (*PACKAGES, repr(_root_filesystems([])), code_of(debian.__file__))
    return Recipe("debian-apps", debian.RELEASE, ingredients, "from Debian's packages, a minute", make)


def _root_filesystems(applets: list[str]) -> dict[str, RootFilesystem]:
    web = ("etc/nginx", "usr/share/nginx", "var/lib/nginx", "var/log/nginx", "usr/sbin/nginx", "usr/bin/sh")
    return {
        "mosquitto": RootFilesystem(
            ("usr/sbin/mosquitto", *_MQTT), (_ROOT,), folders=("mosquitto/config", "mosquitto/data")
        ),
        "busybox": RootFilesystem(
            ("usr/bin/busybox",),
            (_ROOT, _NOBODY),
            links={f"usr/bin/{name}": "busybox" for name in applets if name != "busybox"},
        ),
        "nginx": RootFilesystem(
            web,
            (_ROOT, "www-data:x:33:33::/var/www:/bin/sh"),
            folders=("run", "etc/nginx/modules-enabled", "var/www/html"),
            files={"var/www/html/index.html": "<h1>Welcome to nginx!</h1>\n"},
            links={"etc/nginx/sites-enabled/default": "/etc/nginx/sites-available/default"},
        ),
        CLIENTS: RootFilesystem(("usr/bin/dig", *_MQTT), (_ROOT,), folders=("dev",)),
    }


def _debian_images(folder: Path) -> tuple[Image, ...]:
    broker = ("/usr/sbin/mosquitto", "-c", "/mosquitto/config/mosquitto.conf")
    return (
        Image("docker.io/library/eclipse-mosquitto:2.0.21", {}, broker, root=folder / "mosquitto.tar"),
        Image(f"docker.io/library/{BUSYBOX}", {}, ("sh",), root=folder / "busybox.tar"),
        Image(NGINX, {}, ("/usr/sbin/nginx", "-g", "daemon off;"), root=folder / "nginx.tar"),
    )


PROGRAMS = (*(app.program() for app in GO_APPS), Program((), debian_apps, _debian_images))
"""The programs of all images."""


def clients() -> Path:
    """Return the root file system of the clients: dig, mosquitto_pub, mosquitto_sub and mosquitto_passwd."""
    return obtain(debian_apps(), print) / CLIENTS
