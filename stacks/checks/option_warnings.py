"""Warnings about K3s options that need programs or files which homelab does not install on machines."""

from components.cluster.k3s.arguments import RESERVED_ARGUMENTS, parse_argument
from components.cluster.k3s.options import as_tuple
from components.cluster.k3s.settings import Options
from components.cluster.settings import ClusterSettings
from components.settings.errors import Findings

_FILES = (
    "container-runtime-endpoint", "flannel-cni-conf", "flannel-conf", "image-credential-provider-bin-dir",
    "image-credential-provider-config", "image-service-endpoint", "resolv-conf", "vpn-auth-file",
)  # fmt: skip
_FILE_ARGUMENTS = ("-file", "config", "-dir")
"""Ends of the names of arguments whose values are paths of existing files or folders."""
_EXISTING = ("/etc/resolv.conf", "/run/systemd/resolve/", "/var/lib/rancher/k3s/")
_MISSING = "names a file that homelab does not create"
_CREATE = "create the file on the machines before `pulumi up`, or with machine.files"


def option_warnings(cluster: ClusterSettings) -> Findings:
    """Yield a warning for each K3s option whose program or file must already exist on the machines."""
    if "coredns" in cluster.k3s.disable:
        reason = "contains coredns, so pods have no DNS server until you install one"
        fix = "install a DNS server with the address in cluster-dns before you add layers or apps"
        yield ("k3s", "disable"), reason, fix
    on_all_machines = (*_EXISTING, *cluster.machine.files)
    for key, options in cluster.k3s.options_by_key.items():
        yield from _options(options, ("k3s", key), on_all_machines)
    for index, node in enumerate(cluster.nodes):
        yield from _options(node.options, ("nodes", index, "options"), (*on_all_machines, *node.machine.files))
    for registry, tls in cluster.registries.tls.items():
        for name, file in (("caFile", tls.ca_file), ("certFile", tls.cert_file), ("keyFile", tls.key_file)):
            if file and not file.startswith(on_all_machines):
                yield ("registries", "tls", registry, name), _MISSING, _CREATE


def _options(options: Options, path: tuple[str | int, ...], existing: tuple[str, ...]) -> Findings:
    if options.get("docker") is True:
        fix = "install Docker on the machines before `pulumi up`"
        yield (*path, "docker"), "needs Docker, which homelab does not install", fix
    for name in _FILES:
        if name in options and not str(options[name]).startswith(existing):
            yield (*path, name), _MISSING, _CREATE
    for option in RESERVED_ARGUMENTS:
        for name, value in map(parse_argument, as_tuple(options.get(option, ()))):
            if value.startswith("/") and name.endswith(_FILE_ARGUMENTS) and not value.startswith(existing):
                yield (*path, option), f"names a file in {name} that homelab does not create", _CREATE
