"""The network of a rehearsed lab: a network namespace with one bridge and no route to other networks."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path

from rehearsal.shell import RehearsalError, run

BRIDGE = "lan"
_CLONE_NEWNET = 0x40000000

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


def enter(descriptor: int, name: str) -> None:
    """Move the calling thread permanently into the network namespace of the file descriptor. Raises OSError."""
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), f"cannot enter the network namespace {name}")


def url_host(address: str) -> str:
    """Format an IP address as the host of a URL: IPv6 addresses in brackets."""
    return f"[{address}]" if ":" in address else address


def free_address(lan: Network, taken: Collection[str]) -> str:
    """Return the highest host address of `lan` that is not in `taken`, for the lab's bridge."""
    last = int(lan.broadcast_address) - (1 if lan.version == 4 else 0)
    for number in range(last, int(lan.network_address), -1):
        address = str(lan.network_address + (number - int(lan.network_address)))
        if address not in taken:
            return address
    raise RehearsalError(f"The network {lan} has no free address for the lab's bridge: set `lan` to a larger CIDR.")


class NetworkNamespace:
    """A network namespace that contains only processes of the rehearsal."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = Path("/run/netns") / name

    @property
    def exists(self) -> bool:
        """Whether the namespace exists."""
        return self.path.exists()

    def create(self, lan: Network, address: str) -> None:
        """Create the network namespace with a bridge; the bridge's `address` is the machines' default gateway."""
        run(["ip", "netns", "add", self.name])
        for words in (
            ["link", "set", "lo", "up"],
            ["link", "add", BRIDGE, "type", "bridge"],
            ["addr", "add", f"{address}/{lan.prefixlen}", "dev", BRIDGE],
            ["link", "set", BRIDGE, "up"],
            # the gateway answers "unreachable" at once, so that connections to the Internet fail without a timeout
            ["route", "add", "unreachable", "default"],
            ["-6", "route", "add", "unreachable", "default", "metric", "1"],
        ):
            run(["ip", "-n", self.name, *words])
        run(self.command("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"))

    def add_address(self, address: str) -> None:
        """Add an IP address to the bridge, so that the machines and their pods reach servers at this address."""
        host = f"{address}/{ip_address(address).max_prefixlen}"
        run(["ip", "-n", self.name, "addr", "replace", host, "dev", BRIDGE, *(["nodad"] if ":" in address else [])])

    def delete(self) -> None:
        """Kill all processes in the network namespace, and delete the network namespace."""
        if not self.exists:
            return
        kill_all(self.processes, f"the network namespace {self.name}")
        run(["ip", "netns", "del", self.name])

    def processes(self) -> list[int]:
        """Return the IDs of the processes in the network namespace."""
        return [int(pid) for pid in run(["ip", "netns", "pids", self.name]).split()]

    def command(self, *command: str | Path) -> list[str]:
        """Build an `nsenter` command line, because `ip netns exec` would hide /sys/fs/cgroup from `command`."""
        return ["nsenter", f"--net={self.path}", *(str(word) for word in command)]

    def start(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        cwd: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        pass_fds: Collection[int] = (),
    ) -> None:
        """Start a daemon in the network namespace, and append its output to `log`. The daemon outlives homelab.

        `cwd`, `env` and `pass_fds` have the meaning that they have for `subprocess.Popen`.
        """
        with log.open("ab") as output:
            subprocess.Popen(
                self.command(*command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd=cwd,
                env=env,
                pass_fds=pass_fds,
            )

    def answers(self, address: str, port: int, greeting: bytes = b"") -> bool:
        """Return whether a TCP server at `address` and `port` accepts connections and sends `greeting` first."""
        try:
            with self.connect(address, port) as connection:
                return not greeting or connection.recv(len(greeting)) == greeting
        except OSError:
            return False

    def connect(self, address: str, port: int, timeout: float = 1) -> socket.socket:
        """Open a TCP connection inside the network namespace; `timeout` limits each socket operation (in seconds)."""
        with ThreadPoolExecutor(max_workers=1) as thread:
            return thread.submit(self._connect, address, port, timeout).result()

    def _connect(self, address: str, port: int, timeout: float) -> socket.socket:
        self._enter()
        return socket.create_connection((address, port), timeout)

    def _enter(self) -> None:
        """Move the calling thread permanently into this network namespace."""
        with self.path.open() as handle:
            enter(handle.fileno(), self.name)


def wait(condition: Callable[[], bool], seconds: float, failure: Callable[[], str]) -> None:
    """Wait until `condition()` is true; after `seconds`, raise RehearsalError with the message `failure()`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RehearsalError(failure())
        time.sleep(0.05)


def kill_all(processes: Callable[[], Sequence[int]], where: str) -> None:
    """Kill the processes that `processes()` returns until the result is empty; fail after 20 seconds."""

    def none_left() -> bool:
        remaining = processes()
        for pid in remaining:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return not remaining

    wait(none_left, 20, lambda: f"Processes {processes()} of {where} do not end: inspect the processes with `ps`.")
