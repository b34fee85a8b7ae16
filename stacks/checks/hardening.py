"""Checks of the level `hardening: cis`: other settings must not override its K3s options."""

from collections.abc import Iterator

from components.cluster.k3s.arguments import argument_name
from components.cluster.k3s.hardening import OVERRIDABLE, hardened_arguments
from components.cluster.k3s.options import as_tuple
from components.cluster.k3s.settings import Options
from components.cluster.settings import ClusterSettings, NodeSettings
from components.settings.errors import Findings

_SET_BY_CIS = {
    option: values.keys() - OVERRIDABLE for option, values in hardened_arguments("cis", "server", "").items()
}
_FIX = "remove it, or use hardening: default"


def _options(cluster: ClusterSettings) -> Findings:
    if cluster.hardening != "cis":
        return
    for key, options in cluster.k3s.options_by_key.items():
        for name, reason in _conflicts(options):
            yield ("k3s", key, name), reason, _FIX
    if not cluster.k3s.secrets_encryption:
        yield ("k3s", "secretsEncryption"), "is false, but hardening: cis requires encryption", _FIX


def _own_options(cluster: ClusterSettings, node: NodeSettings) -> Findings:
    if cluster.hardening == "cis":
        for name, reason in _conflicts(node.options):
            yield ("options", name), reason, _FIX


def _conflicts(options: Options) -> Iterator[tuple[str, str]]:
    if options.get("protect-kernel-defaults") is False:
        yield "protect-kernel-defaults", "is false, but hardening: cis requires it"
    for option, set_by_cis in _SET_BY_CIS.items():
        arguments_set = {argument_name(entry) for entry in as_tuple(options.get(option, ()))}
        for name in sorted(arguments_set & set_by_cis):
            yield option, f"sets {name}, which hardening: cis sets itself"


CLUSTER_CHECKS = (_options,)
NODE_CHECKS = (_own_options,)
