"""Files, kernel parameters, kernel modules and systemd units of machines that homelab, K3s or the layers manage. The
settings under `machine` must not change them."""

from collections.abc import Mapping

from components.cluster.node import SYSCTL, SYSCTL_IPV6
from components.settings.host_paths import is_within

REMOVE = "remove it"
_SET_BY_K3S = (
    "net.ipv4.conf.all.forwarding", "net.ipv4.conf.default.forwarding", "net.ipv4.conf.all.route_localnet",
    "net.ipv6.conf.default.forwarding", "net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables",
    "net.core.devconf_inherit_init_net",
)  # fmt: skip
_SET_BY_KUBE_PROXY = (
    "net.netfilter.nf_conntrack_max",
    "net.netfilter.nf_conntrack_tcp_timeout_established",
    "net.netfilter.nf_conntrack_tcp_timeout_close_wait",
)
SYSCTLS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(_SET_BY_K3S, ("is set by K3s", REMOVE)),
    **dict.fromkeys(_SET_BY_KUBE_PROXY, ("is set by kube-proxy", "set k3s.options: {kube-proxy-arg: [...]} instead")),
    **dict.fromkeys(SYSCTL, ("is set by homelab", "remove it: K3s needs homelab's value")),
    **dict.fromkeys(SYSCTL_IPV6, ("is set by homelab", "remove it: homelab sets it if network.pods has IPv6")),
}
"""Kernel parameters that homelab, K3s or kube-proxy sets: name → reason and fix."""

MODULES = ("br_netfilter", "overlay")
"""Kernel modules that homelab loads on every machine."""
PARAMETERS = {
    "cgroup_enable": "remove it: homelab adds cgroup_enable=memory on a Raspberry Pi without the memory cgroup",
    "cgroup_memory": "remove it: homelab adds cgroup_memory=1 on a Raspberry Pi without the memory cgroup",
    "cgroup_disable": "remove it: K3s needs the cgroups of the kernel",
    "init": "remove it: the machine must boot with systemd",
    "root": "remove it: the boot loader sets the root file system",
}
"""Kernel parameters that users cannot set: name → fix."""
_OWN_FOLDER = "choose another path: homelab and K3s keep their own files there"
FOLDERS: Mapping[str, str] = {
    "/etc/rancher": "set k3s.options, registries or hardening instead",
    "/var/lib/rancher": _OWN_FOLDER,
    "/var/lib/kubelet": _OWN_FOLDER,
    "/var/lib/homelab": _OWN_FOLDER,
    "/etc/homelab": _OWN_FOLDER,
    "/etc/keepalived": "set api.vip instead",
    "/etc/haproxy": "set api.balancer instead",
    "/etc/nomad.d": "set platform.nomad instead",
    "/etc/exports.d": "set platform.nfs instead",
    "/proc": "set machine.sysctl instead",
    "/sys": "choose another path: files there do not survive a reboot",
    "/dev": "choose another path: files there do not survive a reboot",
    "/run": "choose another path: files there do not survive a reboot",
    "/tmp": "choose another path: files there do not survive a reboot",  # noqa: S108 - a folder of the machine
}
"""Folders in which users cannot write files: path → fix."""
SYSTEM_FOLDERS = {
    "/bin", "/boot", "/boot/firmware", "/etc", "/home", "/lib", "/opt", "/root", "/sbin", "/usr", "/usr/local", "/var",
    "/var/lib", "/var/log",
}  # fmt: skip
"""Folders on which users cannot mount a file system."""
PATHS: Mapping[str, str] = {
    "/etc/hostname": "set the node's name instead",
    "/etc/hosts": "leave it out: homelab writes the node's name there; use your DNS server or platform.coredns instead",
    "/etc/machine-id": "leave it out: homelab creates it",
    "/etc/localtime": "set machine.timezone instead",
    "/etc/timezone": "set machine.timezone instead",
    "/etc/resolv.conf": "set machine.dnsServers instead",
    "/etc/dhcpcd.conf": "set machine.dnsServers instead",
    "/etc/dhcp/dhclient.conf": "set machine.dnsServers instead",
    "/etc/systemd/resolved.conf.d/50-homelab.conf": "set machine.dnsServers instead",
    "/etc/NetworkManager/conf.d/50-homelab.conf": "set machine.dnsServers instead",
    "/etc/systemd/timesyncd.conf.d/50-homelab.conf": "set machine.timeServers instead",
    "/etc/chrony/sources.d/homelab.sources": "set machine.timeServers instead",
    "/etc/sysctl.d/90-homelab.conf": "set machine.sysctl instead",
    "/etc/sysctl.d/91-homelab-machine.conf": "set machine.sysctl instead",
    "/etc/modules-load.d/homelab.conf": "set machine.kernelModules instead",
    "/etc/modules-load.d/homelab-machine.conf": "set machine.kernelModules instead",
    "/boot/firmware/cmdline.txt": "set machine.kernelParameters instead",
    "/boot/cmdline.txt": "set machine.kernelParameters instead",
    "/etc/default/grub": "set machine.kernelParameters instead",
    "/etc/default/grub.d/90-homelab.cfg": "set machine.kernelParameters instead",
    "/etc/fstab": "set machine.mounts instead",
    "/etc/systemd/system.conf.d/50-homelab.conf": "set machine.watchdog instead",
    "/etc/apt/apt.conf.d/60-homelab": "set machine.unattendedUpgrades instead",
}
"""Files that another setting writes: path → fix."""
PREFIXES: Mapping[str, str] = {
    "/etc/systemd/system/k3s": "set k3s.options instead",
    "/etc/systemd/system/nomad": "set platform.nomad instead",
    "/usr/local/bin/k3s": "set k3s.version instead",
}
"""Beginnings of the paths of files that homelab or its installers write: beginning → fix."""
UNITS: Mapping[str, str] = {
    "k3s": "leave it out: `pulumi up` restarts K3s node by node when the settings of K3s change",
    "k3s-agent": "leave it out: `pulumi up` restarts K3s node by node when the settings of K3s change",
    "keepalived": "leave it out: homelab restarts keepalived when the settings of api change",
    "haproxy": "leave it out: homelab restarts HAProxy when the settings of api change",
    "nomad": "leave it out: homelab restarts Nomad when the settings of platform.nomad change",
}
"""systemd units that users cannot restart: name without `.service` → fix."""


def file_fix(path: str) -> str | None:
    """Return what the user should do instead of writing the file `path`, or None if users can write the file."""
    folder_fix = next((fix for folder, fix in FOLDERS.items() if is_within(path, folder)), None)
    return (
        folder_fix or PATHS.get(path) or next((fix for start, fix in PREFIXES.items() if path.startswith(start)), None)
    )
