"""Relations of hardening: nothing else may say what `cis` is to decide."""

from collections.abc import Iterator

from components.distribution import Options
from components.hardening import FREE, argument, arguments
from components.k3s_options import listed
from components.lab import ClusterSettings, NodeSettings
from stacks.checks.found import Findings

_DECIDED = {option: values.keys() - FREE for option, values in arguments("cis", "server", "").items()}
_OUT = "take it out, or use hardening: default"


def _options(cluster: ClusterSettings) -> Findings:
    if cluster.hardening != "cis":
        return
    for key, options in (
        ("options", cluster.k3s.options),
        ("serverOptions", cluster.k3s.server_options),
        ("agentOptions", cluster.k3s.agent_options),
    ):
        for name, reason in _against(options):
            yield ("k3s", key, name), reason, _OUT
    if not cluster.k3s.secrets_encryption:
        yield ("k3s", "secretsEncryption"), "is false, and hardening: cis encrypts secrets", _OUT


def _own_options(cluster: ClusterSettings, node: NodeSettings) -> Findings:
    if cluster.hardening == "cis":
        for name, reason in _against(node.options):
            yield ("options", name), reason, _OUT


def _against(options: Options) -> Iterator[tuple[str, str]]:
    if options.get("protect-kernel-defaults") is False:
        yield "protect-kernel-defaults", "is false, and hardening: cis sets it"
    for option, decided in _DECIDED.items():
        named = {argument(each) for each in listed(options.get(option, ()))}
        for name in sorted(named & decided):
            yield option, f"sets {name}, and hardening: cis decides on that"


OF_CLUSTER = (_options,)
OF_NODE = (_own_options,)
