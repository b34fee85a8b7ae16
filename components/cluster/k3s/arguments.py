"""Arguments of Kubernetes components in K3s options such as `kubelet-arg`, and the arguments that users cannot set."""

import re
from collections.abc import Mapping

from components.cluster.k3s.options import as_tuple

_PATHS = "remove it: homelab expects the files of K3s at their default paths"
_LISTENS = "remove it: K3s must listen on the node's address and port 6443"
_ETCD = "remove it: K3s sets the addresses, files and members of etcd"
_NAME, _PODS, _SERVICES = "set the node's name instead", "set network.pods instead", "set network.services instead"
_MANAGER = {
    _PODS: "cluster-cidr",
    _SERVICES: "service-cluster-ip-range",
    _PATHS: """
        authentication-kubeconfig authorization-kubeconfig cert-dir kubeconfig root-ca-file
    """,
}
_RESERVED = {
    "kubelet-arg": {
        "set the node's address instead": "node-ip",
        _NAME: "hostname-override",
        "set the node's labels instead": "node-labels",
        "set the node's taints instead": "register-with-taints",
        "set cluster-dns under k3s.serverOptions instead": "cluster-dns",
        "set cluster-domain under k3s.serverOptions instead": "cluster-domain",
        _PATHS: """
            bootstrap-kubeconfig cert-dir client-ca-file kubeconfig root-dir tls-cert-file
            tls-private-key-file
        """,
        "remove it: K3s runs its own containerd": "container-runtime-endpoint containerd image-service-endpoint",
    },
    "kube-proxy-arg": {_PODS: "cluster-cidr", _NAME: "hostname-override", _PATHS: "kubeconfig"},
    "kube-apiserver-arg": {
        _SERVICES: "service-cluster-ip-range",
        "set service-node-port-range under k3s.serverOptions instead": "service-node-port-range",
        _LISTENS: "advertise-address advertise-port bind-address secure-port",
        _ETCD: "etcd-cafile etcd-certfile etcd-keyfile etcd-prefix etcd-servers storage-backend",
        "set k3s.secretsEncryption instead": "encryption-provider-config encryption-provider-config-automatic-reload",
        _PATHS: """
            cert-dir client-ca-file egress-selector-config-file kubelet-certificate-authority
            kubelet-client-certificate kubelet-client-key proxy-client-cert-file proxy-client-key-file
            requestheader-client-ca-file tls-cert-file tls-private-key-file
        """,
    },
    "kube-controller-manager-arg": _MANAGER,
    "kube-cloud-controller-manager-arg": _MANAGER,
    "kube-scheduler-arg": {_PATHS: "authentication-kubeconfig authorization-kubeconfig cert-dir kubeconfig"},
    "etcd-arg": {
        _ETCD: """
            advertise-client-urls cert-file client-cert-auth data-dir force-new-cluster initial-advertise-peer-urls
            initial-cluster initial-cluster-state initial-cluster-token key-file listen-client-http-urls
            listen-client-urls listen-peer-urls name peer-cert-file peer-client-cert-auth peer-key-file
            peer-trusted-ca-file trusted-ca-file wal-dir
        """,
    },
}
RESERVED_ARGUMENTS: Mapping[str, Mapping[str, str]] = {
    option: {name: fix for fix, names in by_fix.items() for name in names.split()}
    for option, by_fix in _RESERVED.items()
}
"""Arguments that users cannot set, by K3s option. Each argument maps to the fix in the error message.

K3s itself sets these arguments (`pkg/daemons` in its source code) from other options or from its own files.
"""
_FORM = re.compile(r"(--)?[A-Za-z][A-Za-z0-9_.-]*[+-]?(=.*)?", re.DOTALL)


def is_argument(entry: object) -> bool:
    """Whether `entry` has the form `NAME`, or `NAME=VALUE` with an optional `--`, as `util.GetArgs` of K3s expects."""
    return isinstance(entry, str) and _FORM.fullmatch(entry) is not None


def parse_argument(entry: object) -> tuple[str, str]:
    """Return the name and the value of an argument such as `NAME=value`, or `--NAME+=value` in K3s' append syntax.

    An argument without a value has the value `true`, as in K3s.
    """
    name, equals, value = str(entry).strip().removeprefix("--").partition("=")
    return name.rstrip("+-"), value if equals else "true"


def argument_name(entry: object) -> str:
    """Return NAME from an argument such as `NAME=value`."""
    return parse_argument(entry)[0]


def arguments(options: Mapping[str, object], option: str) -> dict[str, str]:
    """Return the values of a component's arguments by name, from K3s options. The last value of an argument wins."""
    return dict(map(parse_argument, as_tuple(options.get(option, ()))))
