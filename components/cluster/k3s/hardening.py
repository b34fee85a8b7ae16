"""Hardening of K3s: the K3s options and configuration files for the levels `default` and `cis`."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from components.cluster.k3s.arguments import argument_name
from components.cluster.k3s.options import as_tuple
from components.cluster.settings import ClusterSettings, NodeSettings

ADMISSION_FILE = "admission.yaml"
AUDIT_FILE = "audit.yaml"
AUDIT_LOG = "/var/lib/rancher/k3s/server/logs/audit.log"
CIPHERS = (
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
)
"""Cipher suites that the API server of K3s accepts in TLS 1.2."""
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
_AUDIT = {
    "audit-log-maxage": "30",
    "audit-log-maxbackup": "10",
    "audit-log-maxsize": "100",
    "audit-log-path": AUDIT_LOG,
}
_API = {
    "anonymous-auth": "false",
    **_AUDIT,
    _PLUGINS: "NodeRestriction,EventRateLimit,DenyServiceExternalIPs",
    "profiling": "false",
    "service-account-extend-token-expiration": "false",
}
_MANAGER = {"profiling": "false", "terminated-pod-gc-threshold": "100"}
_SCHEDULER = {"profiling": "false"}
OVERRIDABLE = frozenset(
    {
        *("audit-log-maxage", "audit-log-maxbackup", "audit-log-maxsize", "event-qps"),
        *("pod-max-pids", "streaming-connection-idle-timeout", "terminated-pod-gc-threshold", _PLUGINS),
    }
)
"""Arguments that users may set at every hardening level. A limit of the user replaces homelab's limit, and admission
plugins of the user extend homelab's list."""

_POD_SECURITY = {
    "default": {"enforce": "privileged", "warn": "baseline"},
    "cis": {"enforce": "restricted", "warn": "restricted", "audit": "restricted"},
}
_SYSTEM = ("kube-system", "kube-public", "kube-node-lease", "default")
_INGRESS = "traefik"
SERVICELB_LABEL = "svccontroller.k3s.cattle.io/svcname"
"""Label of the pods of K3s' ServiceLB, whose value is the name of the Service."""


def options(cluster: ClusterSettings, node: NodeSettings, folder: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return the K3s options that harden `node`, merged with the user's K3s options in `extra`.

    `folder` is the folder of the hardening files on the node.
    """
    by_option = hardened_arguments(cluster.hardening, node.role, folder)
    if has_audit_log(cluster, node):
        by_option["kube-apiserver-arg"] |= _AUDIT | {"audit-policy-file": f"{folder}/{AUDIT_FILE}"}
    merged: dict[str, Any] = {name: _merged(ours, as_tuple(extra.get(name, ()))) for name, ours in by_option.items()}
    return merged | ({"protect-kernel-defaults": True} if cluster.hardening == "cis" else {})


def hardened_arguments(level: str, role: str, folder: str) -> dict[str, dict[str, str]]:
    """Return hardened Kubernetes arguments: K3s option (such as `kubelet-arg`) -> argument name -> value."""
    cis, server = level == "cis", role == "server"
    by_option = {"kubelet-arg": _TLS | (_KUBELET if cis else {})}
    if server:
        by_option["kube-apiserver-arg"] = _TLS | {"admission-control-config-file": f"{folder}/{ADMISSION_FILE}"}
    if server and cis:
        by_option["kube-apiserver-arg"] |= _API | {"audit-policy-file": f"{folder}/{AUDIT_FILE}"}
        by_option |= {"kube-controller-manager-arg": dict(_MANAGER), "kube-scheduler-arg": dict(_SCHEDULER)}
    return by_option


def _merged(ours: Mapping[str, str], theirs: tuple[object, ...]) -> list[object]:
    overridden = {argument_name(text) for text in theirs} - {_PLUGINS}
    return [*(f"{name}={value}" for name, value in ours.items() if name not in overridden), *theirs]


def files(cluster: ClusterSettings, node: NodeSettings) -> dict[str, str]:
    """Return the content of each hardening file by file name. homelab removes a file whose content is empty."""
    server = node.role == "server"
    return {
        ADMISSION_FILE: _yaml([_admission(cluster.hardening)]) if server else "",
        AUDIT_FILE: _yaml([_audit()]) if has_audit_log(cluster, node) else "",
    }


def has_audit_log(cluster: ClusterSettings, node: NodeSettings) -> bool:
    """Whether the node writes an audit log of the API server."""
    return node.role == "server" and (cluster.hardening == "cis" or cluster.k3s.audit)


def _admission(level: str) -> dict[str, Any]:
    """Return the AdmissionConfiguration with default Pod Security levels and, at the level `cis`, event rate limits."""
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
        "plugins": [{"name": name, "configuration": configuration} for name, configuration in plugins.items()],
    }


def _audit() -> dict[str, Any]:
    """Return the API server's audit policy, which omits health checks, leases, events and most reads by K3s."""
    secret = {"group": "", "resources": ["secrets", "serviceaccounts/token"]}
    noise = [{"group": "coordination.k8s.io", "resources": ["leases"]}, {"group": "", "resources": ["events"]}]
    component_groups = ["system:nodes", "system:serviceaccounts:kube-system"]
    components = (
        "apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kube-proxy",
        "k3s-controller",
        "k3s-supervisor",
    )
    component_users = [f"system:{name}" for name in components]
    reads = {"level": "None", "verbs": ["get", "list", "watch"]}
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/version"]},
            {"level": "None", "resources": noise},
            {"level": "Metadata", "resources": [secret]},
            reads | {"userGroups": component_groups},
            reads | {"users": component_users},
            {"level": "Metadata"},
        ],
    }


def manifests(cluster: ClusterSettings, node: NodeSettings) -> str:
    """Render the manifests of `cis`: NetworkPolicies, and `default` ServiceAccounts that mount no tokens into pods."""
    if cluster.hardening != "cis" or node.role == "agent":
        return ""
    policies = [*(_allow_own_namespace(name) for name in _SYSTEM), *_allow_services()]
    if cluster.k3s.servicelb:
        policies.append(_policy("servicelb", "kube-system", [{"key": SERVICELB_LABEL, "operator": "Exists"}], {}))
    return _yaml([*policies, *map(_account, _SYSTEM[1:])])


def _allow_own_namespace(namespace: str) -> dict[str, Any]:
    """Return a NetworkPolicy that allows traffic within `namespace` and, into `default`, also traffic from Traefik."""
    ingress = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": _INGRESS}}}
    sources = [{"podSelector": {}}, *([ingress] if namespace == "default" else [])]
    return _policy("own-namespace", namespace, {}, {"from": sources})


def _allow_services() -> Iterator[dict[str, Any]]:
    """Yield the NetworkPolicies that allow all clients to connect to CoreDNS and metrics-server."""
    ports = [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}, {"protocol": "TCP", "port": 9153}]
    yield _policy("dns", "kube-system", {"k8s-app": "kube-dns"}, {"ports": ports})
    metrics_api = {"ports": [{"protocol": "TCP", "port": 10250}]}
    yield _policy("metrics-server", "kube-system", {"k8s-app": "metrics-server"}, metrics_api)


def _policy(
    name: str, namespace: str, pods: Mapping[str, str] | list[dict[str, str]], rule: Mapping[str, Any]
) -> dict[str, Any]:
    selector = {"matchExpressions": pods} if isinstance(pods, list) else {"matchLabels": dict(pods)}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": f"homelab-{name}", "namespace": namespace},
        "spec": {
            "podSelector": selector if pods else {},
            "policyTypes": ["Ingress"],
            "ingress": [dict(rule)],
        },
    }


def _account(namespace: str) -> dict[str, Any]:
    # when `hardening` is set back to `default`, K3s prunes the objects of this manifest, except those with this label
    labels = {"objectset.rio.cattle.io/prune": "false"}
    metadata = {"name": "default", "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "automountServiceAccountToken": False}


def _yaml(documents: list[dict[str, Any]]) -> str:
    return yaml.safe_dump_all(documents, sort_keys=False)
