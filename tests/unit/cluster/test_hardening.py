"""What hardening adds, by its level: options of K3s, the files beside them, and what K3s deploys."""

import re
from typing import Any

import pytest
import yaml

from components.cluster.k3s import config as k3s
from components.cluster.k3s import hardening
from components.cluster.node import SYSCTL, sysctl
from components.layers.traefik.layer import Traefik
from tests.support.cluster_fixtures import cluster, k3s_config
from tests.support.settings_fixtures import ROOT, VALID

UNHARDENED = [file.stem for file in VALID if file.stem != "hardened"]
ADMISSION = "/etc/rancher/k3s/admission.yaml"


def values(arguments: list[str]) -> dict[str, str]:
    return dict(each.removeprefix("--").partition("=")[::2] for each in arguments)


def beside(name: str, node: int = 0) -> dict[str, Any]:
    found = cluster(name)
    return {name: yaml.safe_load(text) for name, text in hardening.files(found, found.nodes[node]).items() if text}


def deployed(name: str, node: int = 0) -> list[dict[str, Any]]:
    found = cluster(name)
    return list(yaml.safe_load_all(hardening.manifests(found, found.nodes[node])))


def test_hardened_kubelet() -> None:
    options = k3s_config("hardened")
    assert options["protect-kernel-defaults"] is True
    assert values(options["kubelet-arg"]) == {
        "anonymous-auth": "false",
        "event-qps": "0",
        "make-iptables-util-chains": "true",
        "max-pods": "200",
        "pod-max-pids": "8192",
        "seccomp-default": "true",
        "streaming-connection-idle-timeout": "5m",
        "tls-cipher-suites": ",".join(hardening.CIPHERS),
        "tls-min-version": "VersionTLS12",
    }


def test_hardened_control_plane() -> None:
    options = k3s_config("hardened")
    found = options["kube-apiserver-arg"]
    plugins = [each for each in found if each.startswith("enable-admission-plugins=")]
    assert plugins == [
        "enable-admission-plugins=NodeRestriction,EventRateLimit,DenyServiceExternalIPs",
        "enable-admission-plugins=AlwaysPullImages",
    ]
    assert {key: value for key, value in values(found).items() if "plugins" not in key} == {
        "admission-control-config-file": ADMISSION,
        "anonymous-auth": "false",
        "audit-log-maxage": "7",
        "audit-log-maxbackup": "10",
        "audit-log-maxsize": "100",
        "audit-log-path": "/var/lib/rancher/k3s/server/logs/audit.log",
        "audit-policy-file": "/etc/rancher/k3s/audit.yaml",
        "profiling": "false",
        "service-account-extend-token-expiration": "false",
        "tls-cipher-suites": ",".join(hardening.CIPHERS),
        "tls-min-version": "VersionTLS12",
    }
    assert options["kube-controller-manager-arg"] == ["profiling=false", "terminated-pod-gc-threshold=100"]
    assert options["kube-scheduler-arg"] == ["profiling=false"]
    assert options["secrets-encryption"] is True


def test_hardened_agent_has_its_kubelet_alone() -> None:
    options = k3s_config("hardened", 1)
    assert options["protect-kernel-defaults"] is True
    assert values(options["kubelet-arg"])["streaming-connection-idle-timeout"] == "30m"
    assert not {name for name in options if name.startswith("kube-")}
    assert beside("hardened", 1) == {}
    assert deployed("hardened", 1) == []


@pytest.mark.parametrize("name", UNHARDENED)
def test_default_level_costs_nothing(name: str) -> None:
    """No refusal of pods, no log that fills a disk, no limits."""
    options = k3s_config(name)
    names = set(values(options["kube-apiserver-arg"])) - {"audit-log-maxage"}
    audit = {"audit-log-path", "audit-log-maxbackup", "audit-log-maxsize", "audit-policy-file"}
    assert names & audit == (audit if cluster(name).k3s.audit else set())
    assert names - audit == {"tls-min-version", "tls-cipher-suites", "admission-control-config-file"}
    assert options.get("protect-kernel-defaults", True) is True
    set_by_user = set(cluster(name).k3s.server_options)
    assert not ({"kube-controller-manager-arg", "kube-scheduler-arg"} - set_by_user) & set(options)
    (plugin,) = beside(name)[hardening.ADMISSION_FILE]["plugins"]
    assert plugin["configuration"]["defaults"]["enforce"] == "privileged"
    assert deployed(name) == []


def test_at_the_default_level_arguments_of_the_owner_win() -> None:
    mine = ["admission-control-config-file=/etc/mine.yaml", "tls-min-version=VersionTLS13"]
    found = cluster("one-server", k3s={"serverOptions": {"kube-apiserver-arg": mine}})
    options = yaml.safe_load(k3s.config_yaml(found, found.nodes[0]))
    assert options["kube-apiserver-arg"] == [f"tls-cipher-suites={','.join(hardening.CIPHERS)}", *mine]


def test_hardened_namespaces_are_restricted_unless_they_say_otherwise() -> None:
    pods, events = beside("hardened")[hardening.ADMISSION_FILE]["plugins"]
    assert (pods["name"], events["name"]) == ("PodSecurity", "EventRateLimit")
    assert pods["configuration"]["defaults"] == {
        "enforce": "restricted", "enforce-version": "latest", "audit": "restricted", "audit-version": "latest",
        "warn": "restricted", "warn-version": "latest",
    }  # fmt: skip
    assert pods["configuration"]["exemptions"]["namespaces"] == ["kube-system"]
    assert {limit["type"] for limit in events["configuration"]["limits"]} == {"Server", "Namespace"}


def test_audit_log_has_who_reads_secrets_and_no_contents() -> None:
    rules = beside("hardened")[hardening.AUDIT_FILE]["rules"]
    assert {rule["level"] for rule in rules} == {"None", "Metadata"}
    secrets = next(at for at, rule in enumerate(rules) if "secrets" in str(rule))
    readers = [at for at, rule in enumerate(rules) if "verbs" in rule]
    assert rules[secrets]["level"] == "Metadata"
    assert all(at > secrets for at in readers), "what the cluster's own parts read of secrets is to be logged"
    assert rules[-1] == {"level": "Metadata"}


def test_policies_close_the_namespaces_of_kubernetes_and_keep_what_all_need() -> None:
    policies = {
        (each["metadata"]["namespace"], each["metadata"]["name"]): each["spec"]
        for each in deployed("hardened")
        if each["kind"] == "NetworkPolicy"
    }
    closed = {namespace for namespace, name in policies if name == "homelab-own-namespace"}
    assert closed == {"kube-system", "kube-public", "kube-node-lease", "default"}
    assert policies["kube-system", "homelab-own-namespace"]["ingress"] == [{"from": [{"podSelector": {}}]}]
    dns = policies["kube-system", "homelab-dns"]
    assert dns["podSelector"] == {"matchLabels": {"k8s-app": "kube-dns"}}
    assert {(port["protocol"], port["port"]) for port in dns["ingress"][0]["ports"]} >= {("UDP", 53), ("TCP", 53)}
    assert "from" not in dns["ingress"][0]
    metrics = policies["kube-system", "homelab-metrics-server"]
    assert metrics["ingress"] == [{"ports": [{"protocol": "TCP", "port": 10250}]}]
    assert "traefik" in str(policies["default", "homelab-own-namespace"])
    assert {tuple(spec["policyTypes"]) for spec in policies.values()} == {("Ingress",)}


def test_default_accounts_hand_out_no_tokens() -> None:
    accounts = [each for each in deployed("hardened") if each["kind"] == "ServiceAccount"]
    assert {each["metadata"]["namespace"] for each in accounts} == {"kube-public", "kube-node-lease", "default"}
    assert all(each["automountServiceAccountToken"] is False for each in accounts)


def test_node_prepare_sets_what_kubelets_want() -> None:
    """With `protect-kernel-defaults`, a kubelet that finds other values does not start."""
    wanted = {
        "vm.overcommit_memory": 1, "vm.panic_on_oom": 0, "kernel.panic": 10, "kernel.panic_on_oops": 1,
        "kernel.keys.root_maxkeys": 1000000, "kernel.keys.root_maxbytes": 25000000,
    }  # fmt: skip
    assert wanted.items() <= SYSCTL.items()


@pytest.mark.parametrize(("name", "forwards"), [("three-servers", False), ("dual-stack", True), ("ipv6-only", True)])
def test_ipv6_is_forwarded_only_where_the_cluster_has_it(name: str, forwards: bool) -> None:
    found = cluster(name)
    assert ("net.ipv6.conf.all.forwarding" in sysctl(found, found.nodes[0])) is forwards


def test_tests_that_the_table_of_the_guide_names_are_there() -> None:
    table = (ROOT / "docs/cis.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", table))
    there = {
        name for file in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", file.read_text())
    }
    assert len(named) > 8
    assert named <= there


def test_namespace_of_the_ingress_controller_is_that_of_its_layer() -> None:

    assert Traefik.namespace in hardening.manifests(cluster("hardened"), cluster("hardened").nodes[0])
