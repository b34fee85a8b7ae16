"""Options of `k3s server` and `k3s agent`, by type (flag, value or list), and the options that users cannot set."""

_SHARED = {
    "flag": """
        alsologtostderr debug disable-default-registry-endpoint docker enable-pprof
        nonroot-devices prefer-bundled-bin protect-kernel-defaults rootless selinux with-node-id
    """,
    "value": """
        bind-address config container-runtime-endpoint data-dir default-runtime flannel-cni-conf
        flannel-conf flannel-iface image-credential-provider-bin-dir
        image-credential-provider-config image-service-endpoint lb-server-port log node-name
        pause-image private-registry resolv-conf server snapshotter token token-file v vmodule
        vpn-auth vpn-auth-file
    """,
    "list": """
        airgap-extra-registry kube-proxy-arg kubelet-arg node-external-dns node-external-ip node-internal-dns node-ip
        node-label node-taint
    """,
}
_SERVER_ONLY = {
    "flag": """
        cluster-init cluster-reset disable-agent disable-apiserver disable-cloud-controller
        disable-controller-manager disable-etcd disable-helm-controller disable-kube-proxy
        disable-network-policy disable-scheduler embedded-registry etcd-disable-snapshots kine-tls
        etcd-expose-metrics etcd-s3 etcd-s3-insecure etcd-s3-skip-ssl-verify
        etcd-snapshot-compress flannel-external-ip flannel-ipv6-masq secrets-encryption
        supervisor-metrics tls-san-security
    """,
    "value": """
        advertise-address advertise-port agent-token agent-token-file apiserver-bind-address
        apiserver-port cluster-domain supervisor-port
        cluster-reset-restore-path datastore-cafile datastore-certfile datastore-endpoint
        datastore-keyfile default-local-storage-path egress-selector-mode etcd-s3-access-key
        etcd-s3-bucket etcd-s3-bucket-lookup-type etcd-s3-config-secret etcd-s3-endpoint
        etcd-s3-endpoint-ca etcd-s3-folder etcd-s3-proxy etcd-s3-region etcd-s3-retention
        etcd-s3-secret-key etcd-s3-session-token etcd-s3-timeout etcd-snapshot-dir
        etcd-snapshot-name etcd-snapshot-reconcile-interval etcd-snapshot-retention
        etcd-snapshot-schedule-cron flannel-backend helm-job-image https-listen-port
        secrets-encryption-provider service-node-port-range servicelb-namespace
        system-default-registry write-kubeconfig write-kubeconfig-group write-kubeconfig-mode
    """,
    "list": """
        cluster-cidr cluster-dns disable etcd-arg kube-apiserver-arg
        kube-cloud-controller-manager-arg kube-controller-manager-arg kube-scheduler-arg
        service-cidr tls-san
    """,
}
_AGENT_ONLY = {"flag": "disable-apiserver-lb"}


def _kinds(*tables: dict[str, str]) -> dict[str, str]:
    return {name: kind for table in tables for kind, names in table.items() for name in names.split()}


SERVER_OPTIONS = _kinds(_SHARED, _SERVER_ONLY)
"""Options of `k3s server`: each name maps to the option's type, which is flag, value or list."""
AGENT_OPTIONS = _kinds(_SHARED, _AGENT_ONLY)
"""Options of `k3s agent`: each name maps to the option's type, which is flag, value or list."""

_FIXES = {
    "remove the option: homelab generates the tokens and decides which server a node joins": """
        token token-file agent-token agent-token-file server cluster-init cluster-reset
        cluster-reset-restore-path
    """,
    "remove the option: homelab expects the files of K3s at their default paths": """
        config private-registry
    """,
    "mount a disk at /var/lib/rancher/k3s with machine.disks, or a folder with machine.mounts (type: bind)": "data-dir",
    "remove the option: only root may read K3s' kubeconfig; `./homelab kubeconfig` writes a kubeconfig for you": """
        write-kubeconfig write-kubeconfig-group write-kubeconfig-mode
    """,
    "remove the option: K3s must listen on the node's address and port 6443": """
        bind-address https-listen-port advertise-address advertise-port apiserver-bind-address
        apiserver-port supervisor-port
    """,
    "remove the option: homelab's clusters store their state in etcd": """
        datastore-endpoint datastore-cafile datastore-certfile datastore-keyfile kine-tls
    """,
    "remove the option: every server runs the whole control plane and workloads": """
        disable-agent disable-apiserver disable-controller-manager disable-etcd disable-scheduler
    """,
    "remove the option: K3s runs as root": "rootless",
    "set the node's name instead": "node-name with-node-id",
    "set the node's address instead": "node-ip",
    "set the node's labels instead": "node-label",
    "set the node's taints instead": "node-taint",
    "set the node's interface instead": "flannel-iface",
    "set network.flannelBackend instead": "flannel-backend",
    "remove the option: apps need NetworkPolicies, which the layers calico and cilium can enforce instead of K3s": """
        disable-network-policy
    """,
    "set network.pods instead": "cluster-cidr",
    "set network.services instead": "service-cidr",
    "set api.tlsSans instead": "tls-san",
    "set k3s.disable instead": "disable",
    "set k3s.secretsEncryption instead": "secrets-encryption",
    "set k3s.snapshots instead": "etcd-disable-snapshots",
    "set registries.embedded instead": "embedded-registry",
    "remove the option: NetworkPolicies of apps expect ServiceLB in the namespace kube-system": "servicelb-namespace",
    "set vpn-auth-file instead, which keeps the secret out of the configuration": "vpn-auth",
}


DEFAULT_CLUSTER_DOMAIN = "cluster.local"
"""Domain of the names of Services, unless the K3s option `cluster-domain` sets another domain."""
ALIASES = {"c": "config", "d": "data-dir", "i": "node-ip", "o": "write-kubeconfig", "s": "server", "t": "token"}
"""Short names of K3s options, which K3s also accepts in its config.yaml."""


def as_tuple(value: object) -> tuple[object, ...]:
    """Return the values of a K3s list option as a tuple.

    For a list option, K3s also accepts a single value instead of a list.
    """
    return tuple(value) if isinstance(value, list | tuple) else (value,)


RESERVED_OPTIONS = (
    {name: fix for fix, names in _FIXES.items() for name in names.split()}
    | {name: "set k3s.snapshots instead" for name in SERVER_OPTIONS if name.startswith("etcd-snapshot-")}
    | {name: "set k3s.snapshots.s3 instead" for name in SERVER_OPTIONS if name.startswith("etcd-s3")}
)
"""K3s options that users cannot set. Each option maps to the fix in the error message."""

_IDENTICAL = """
    cluster-dns cluster-domain disable-cloud-controller disable-helm-controller disable-kube-proxy
    egress-selector-mode flannel-external-ip flannel-ipv6-masq secrets-encryption-provider
    service-node-port-range
"""
SAME_ON_SERVERS = frozenset(_IDENTICAL.split())
"""K3s options that must have the same value on all servers."""
