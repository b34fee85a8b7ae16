"""Hardening: what K3s is told beyond its own defaults, by the level that `hardening` names."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from components.k3s_options import listed
from components.lab import ClusterSettings, NodeSettings

ADMISSION = "admission.yaml"
AUDIT = "audit.yaml"
AUDIT_LOG = "/var/lib/rancher/k3s/server/logs/audit.log"
CIPHERS = (
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
)
"""What K3s' own API server takes below TLS 1.3."""
_TLS = {"tls-min-version": "VersionTLS12", "tls-cipher-suites": ",".join(CIPHERS)}
_PLUGINS = "enable-admission-plugins"

_KUBELET = {
    "anonymous-auth": "false",
    "event-qps": "0",
    "make-iptables-util-chains": "true",
    "pod-max-pids": "4096",
    "seccomp-default": "true",
    "streaming-connection-idle-timeout": "5m",
}
_API = {
    "anonymous-auth": "false",
    "audit-log-maxage": "30",
    "audit-log-maxbackup": "10",
    "audit-log-maxsize": "100",
    "audit-log-path": AUDIT_LOG,
    _PLUGINS: "NodeRestriction,EventRateLimit,DenyServiceExternalIPs",
    "profiling": "false",
    "service-account-extend-token-expiration": "false",
}
_MANAGER = {"profiling": "false", "terminated-pod-gc-threshold": "100"}
_SCHEDULER = {"profiling": "false"}
FREE = frozenset(
    {
        *("audit-log-maxage", "audit-log-maxbackup", "audit-log-maxsize", "event-qps"),
        *("pod-max-pids", "streaming-connection-idle-timeout", "terminated-pod-gc-threshold", _PLUGINS),
    }
)
"""Arguments that only say how much, or that add: the owner's count at any level."""

_POD_SECURITY = {
    "default": {"enforce": "privileged", "warn": "baseline"},
    "cis": {"enforce": "restricted", "warn": "restricted", "audit": "restricted"},
}
_SYSTEM = ("kube-system", "kube-public", "kube-node-lease", "default")
_INGRESS = "traefik"


def options(cluster: ClusterSettings, node: NodeSettings, folder: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Options of K3s on `node`, where `given` are the owner's; `folder` holds what `files` says."""
    decided = arguments(cluster.hardening, node.role, folder)
    merged: dict[str, Any] = {name: _merged(ours, listed(given.get(name, ()))) for name, ours in decided.items()}
    return merged | ({"protect-kernel-defaults": True} if cluster.hardening == "cis" else {})


def arguments(level: str, role: str, folder: str) -> dict[str, dict[str, str]]:
    """Return option of K3s -> argument of the program behind it -> value."""
    cis, server = level == "cis", role == "server"
    found = {"kubelet-arg": _TLS | (_KUBELET if cis else {})}
    if server:
        found["kube-apiserver-arg"] = _TLS | {"admission-control-config-file": f"{folder}/{ADMISSION}"}
    if server and cis:
        found["kube-apiserver-arg"] |= _API | {"audit-policy-file": f"{folder}/{AUDIT}"}
        found |= {"kube-controller-manager-arg": dict(_MANAGER), "kube-scheduler-arg": dict(_SCHEDULER)}
    return found


def argument(text: object) -> str:
    """Return the name in `name=value`, as K3s reads it: `--name+=value` adds to what is there."""
    return str(text).strip().removeprefix("--").partition("=")[0].rstrip("+-")


def _merged(ours: Mapping[str, str], theirs: tuple[object, ...]) -> list[object]:
    named = {argument(each) for each in theirs} - {_PLUGINS}
    return [*(f"{name}={value}" for name, value in ours.items() if name not in named), *theirs]


def files(cluster: ClusterSettings, node: NodeSettings) -> dict[str, str]:
    """Return what lies beside config.yaml, name -> content; an empty one is not there."""
    server, cis = node.role == "server", cluster.hardening == "cis"
    return {
        ADMISSION: _yaml([_admission(cluster.hardening)]) if server else "",
        AUDIT: _yaml([_audit()]) if server and cis else "",
    }


def _admission(level: str) -> dict[str, Any]:
    """Pod Security of namespaces without labels of their own, and how many events a namespace may have."""
    modes = _POD_SECURITY[level]
    pods = {
        "apiVersion": "pod-security.admission.config.k8s.io/v1",
        "kind": "PodSecurityConfiguration",
        "defaults": modes | {f"{mode}-version": "latest" for mode in modes},
        "exemptions": {"usernames": [], "runtimeClasses": [], "namespaces": ["kube-system"]},
    }
    events = {
        "apiVersion": "eventratelimit.admission.k8s.io/v1alpha1",
        "kind": "Configuration",
        "limits": [
            {"type": "Server", "qps": 500, "burst": 1000},
            {"type": "Namespace", "qps": 50, "burst": 100, "cacheSize": 2000},
        ],
    }
    plugins = {"PodSecurity": pods} | ({"EventRateLimit": events} if level == "cis" else {})
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [{"name": name, "configuration": each} for name, each in plugins.items()],
    }


def _audit() -> dict[str, Any]:
    """Who did what to what, without contents; not what the cluster's own parts read all day."""
    secret = {"group": "", "resources": ["secrets", "serviceaccounts/token"]}
    noise = [{"group": "coordination.k8s.io", "resources": ["leases"]}, {"group": "", "resources": ["events"]}]
    parts = ["system:nodes", "system:serviceaccounts:kube-system"]
    programs = (
        "apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kube-proxy",
        "k3s-controller",
        "k3s-supervisor",
    )
    own = [f"system:{name}" for name in programs]
    reads = {"level": "None", "verbs": ["get", "list", "watch"]}
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/version"]},
            {"level": "None", "resources": noise},
            {"level": "Metadata", "resources": [secret]},
            reads | {"userGroups": parts},
            reads | {"users": own},
            {"level": "Metadata"},
        ],
    }


def manifests(cluster: ClusterSettings, node: NodeSettings) -> str:
    """What K3s deploys: who may connect to pods of its own namespaces, and no tokens for pods that ask for none."""
    if cluster.hardening != "cis" or node.role == "agent":
        return ""
    return _yaml([*(_own_namespace(name) for name in _SYSTEM), *_open(), *map(_account, _SYSTEM[1:])])


def _own_namespace(namespace: str) -> dict[str, Any]:
    """Only pods of the namespace itself; apps in `default` may be asked by the ingress controller too."""
    ingress = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": _INGRESS}}}
    sources = [{"podSelector": {}}, *([ingress] if namespace == "default" else [])]
    return _policy("own-namespace", namespace, {}, {"from": sources})


def _open() -> Iterator[dict[str, Any]]:
    """DNS with its metrics, and the metrics API: asked from pods anywhere, and by the API servers on their machines."""
    ports = [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}, {"protocol": "TCP", "port": 9153}]
    yield _policy("dns", "kube-system", {"k8s-app": "kube-dns"}, {"ports": ports})
    served = {"ports": [{"protocol": "TCP", "port": 10250}]}
    yield _policy("metrics-server", "kube-system", {"k8s-app": "metrics-server"}, served)


def _policy(name: str, namespace: str, pods: Mapping[str, str], rule: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": f"homelab-{name}", "namespace": namespace},
        "spec": {
            "podSelector": {"matchLabels": dict(pods)} if pods else {},
            "policyTypes": ["Ingress"],
            "ingress": [dict(rule)],
        },
    }


def _account(namespace: str) -> dict[str, Any]:
    # without this label K3s would delete the account when hardening is taken back, and with it running pods' tokens
    labels = {"objectset.rio.cattle.io/prune": "false"}
    metadata = {"name": "default", "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "automountServiceAccountToken": False}


def _yaml(documents: list[dict[str, Any]]) -> str:
    return yaml.safe_dump_all(documents, sort_keys=False)
