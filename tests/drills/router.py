"""A router in the LAN of a simulated lab: BIRD from Debian's packages, in its own network namespace."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rehearsal import debian
from rehearsal.cache import Recipe, code_of, obtain
from rehearsal.debian import RootFilesystem
from rehearsal.lab import Lab
from rehearsal.network_namespace import BRIDGE, NetworkNamespace
from rehearsal.shell import run

ADDRESS = "10.9.0.1"
ASN = 64513
CONFIGURATION, SOCKET = "etc/bird.conf", "/run/bird.ctl"
_RESTART = "long lived graceful restart off;"
"""Without this option, BIRD keeps the routes to a lost node for the restart time that FRR announces, 120 seconds."""
_LINK = "bgp-router"
_ROOT_FILESYSTEM = RootFilesystem(
    ("usr/sbin/bird", "usr/sbin/birdc"), ("root:x:0:0::/:/bin/sh",), folders=("run", "var/log")
)


def recipe() -> Recipe:
    """Recipe of BIRD's root file system."""

    def make(folder: Path) -> None:
        work = folder / "work"
        work.mkdir()
        debian.assemble(_ROOT_FILESYSTEM, debian.unpack(["bird2"], work), folder / "root")
        shutil.rmtree(work)

    ingredients = (repr(_ROOT_FILESYSTEM), code_of(debian.__file__))
    return Recipe("bird", debian.RELEASE, ingredients, "from Debian's packages, half a minute", make)


class Router:
    """BIRD, which has a BGP session with each node and writes the learned routes into its kernel's routing table."""

    def __init__(self, lab: Lab, root: Path, nodes: Mapping[str, str]) -> None:
        self._root, self._nodes = root, nodes
        self._netns = NetworkNamespace(f"{lab.netns.name}-router")
        self._lan = lab.netns.name

    @contextmanager
    def running(self, cluster_asn: int, password: str) -> Iterator[None]:
        """Connect the router to the LAN and run BIRD during the block."""
        self._netns.delete()
        self._connect()
        self._write(cluster_asn, ASN, password)
        command = self._netns.command(
            "chroot", self._root, "/usr/sbin/bird", "-f", "-c", f"/{CONFIGURATION}", "-s", SOCKET, "-P", "/run/bird.pid"
        )
        with (self._root / "var/log/bird.log").open("w") as log, subprocess.Popen(command, stderr=log) as process:
            try:
                yield
            finally:
                process.terminate()
                process.wait()
                self._netns.delete()

    def _connect(self) -> None:
        name = self._netns.name
        run(["ip", "netns", "add", name])
        run(["ip", "-n", self._lan, "link", "add", _LINK, "type", "veth", "peer", "name", "eth0", "netns", name])
        run(["ip", "-n", self._lan, "link", "set", _LINK, "master", BRIDGE, "up"])
        run(["ip", "-n", name, "link", "set", "lo", "up"])
        run(["ip", "-n", name, "addr", "add", f"{ADDRESS}/24", "dev", "eth0"])
        run(["ip", "-n", name, "link", "set", "eth0", "up"])

    def configure(self, cluster_asn: int, password: str, *, own_asn: int = ASN) -> None:
        """Give a running BIRD other ASNs or another password."""
        self._write(cluster_asn, own_asn, password)
        self._birdc("configure")

    def _write(self, cluster_asn: int, own_asn: int, password: str) -> None:
        blocks = [f"router id {ADDRESS};", "log stderr all;", "protocol device { scan time 2; }"]
        blocks.append("protocol kernel { ipv4 { export all; }; }")
        for name, address in self._nodes.items():
            blocks.append(
                f"protocol bgp {name} {{ local {ADDRESS} as {own_asn}; neighbor {address} as {cluster_asn};"
                f' authentication md5; password "{password}"; {_RESTART} ipv4 {{ import all; export none; }}; }}'
            )
        (self._root / CONFIGURATION).write_text("\n".join(blocks) + "\n")

    def established(self) -> set[str]:
        """Return the names of the nodes whose BGP session is established."""
        lines = (line.split() for line in self._birdc("show", "protocols").splitlines())
        return {words[0] for words in lines if words and words[0] in self._nodes and words[-1] == "Established"}

    def next_hop(self, address: str) -> str | None:
        """Return the node to which the router sends packets for an address, or None without a route from BGP."""
        lines = run(["ip", "-n", self._netns.name, "route", "show", "proto", "bird", f"{address}/32"]).split()
        hop = lines[lines.index("via") + 1] if "via" in lines else None
        return next((name for name, of_node in self._nodes.items() if of_node == hop), hop)

    def get(self, address: str, path: str) -> str:
        """Send an HTTP request from the router, which has to answer within a second; return the response's body."""
        command = self._netns.command("curl", "-fsS", "--max-time", "1", f"http://{address}{path}")
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def _birdc(self, *command: str) -> str:
        return run(["chroot", self._root, "/usr/sbin/birdc", "-s", SOCKET, *command])


def router(lab: Lab, folder: Path, nodes: Mapping[str, str]) -> Router:
    """Prepare a router, whose files are in `folder`; `nodes` maps the names of its BGP neighbors to their addresses."""
    root = folder / "router"
    shutil.copytree(obtain(recipe(), print) / "root", root, symlinks=True)
    return Router(lab, root, nodes)
