"""What keeps the virtual address of the API: keepalived on the servers, with a balancer or not, or kube-vip."""

from ipaddress import ip_address, ip_network

import yaml

from components import balancer, k3s
from components.addresses import bracketed
from components.lab import API_PORT, ClusterSettings, NodeSettings

KEEPALIVED = """\
# homelab
global_defs {{
  enable_script_security
  script_user root
  vrrp_version 3
  vrrp_garp_master_delay 1
  vrrp_garp_lower_prio_delay 1
  vrrp_garp_master_refresh 1
}}
vrrp_script serving {{
  script "/etc/keepalived/homelab-check"
  interval 1
  timeout 6
  fall 3
  rise 1
  weight 50
}}
vrrp_instance api {{
  state BACKUP
  interface @DEVICE@
  virtual_router_id {router}
  priority 100
  advert_int 0.3
  unicast_src_ip {address}
  unicast_peer {{
{peers}
  }}
  virtual_ipaddress {{
    {vip}/{prefix}
  }}
  track_script {{
    serving
  }}
}}
"""

# Not to be ready for a moment, as when etcd takes in a member, is no failure yet; to refuse is.
READY = """\
#!/bin/sh
cd /var/lib/rancher/k3s/server/tls && exec curl -fsS -o /dev/null --max-time 5 --retry 9 --retry-delay 1 \\
  --retry-max-time 5 --cacert server-ca.crt --cert client-admin.crt --key client-admin.key https://127.0.0.1:6443/readyz"""


def variables(cluster: ClusterSettings, node: NodeSettings) -> dict[str, str]:
    """What `prepare.sh` sets up on `node`, as it takes it; empty what does not run there."""
    check = balancer.WAY.format(port=cluster.endpoint_port) if cluster.api.balancer else READY
    kept = keepalived(cluster, node)
    around = {
        "VIP": f"{bracketed(cluster.api.vip)}:{API_PORT}" if kept and cluster.api.vip else "",
        "PEERS": k3s.server_addresses(cluster, node) if kept else "",
    }
    return {**around, "KEEPALIVED": kept, "CHECK": check if kept else "", "HAPROXY": balancer.haproxy(cluster, node)}


def packages(cluster: ClusterSettings, node: NodeSettings) -> list[str]:
    """Packages of what runs on `node`."""
    found = variables(cluster, node)
    return [name for name in ("keepalived", "haproxy") if found[name.upper()]]


def keepalived(cluster: ClusterSettings, node: NodeSettings) -> str:
    """Configuration of keepalived on `node`; empty where it does not run.

    `@DEVICE@` stands for the interface, which is found on the machine. The router id comes from the
    address, so that two labs in one network do not meet. Serving adds to the priority: the address goes
    where the API is, or a balancer that reaches one, and, as all are equal otherwise, does not come back by
    itself. When no API is ready for a moment, it stays where it is. Two may take it at once; who keeps it
    tells the neighbours again every second, so that none stays with the other.
    """
    vip = cluster.api.vip
    if node.role == "agent" or vip is None or cluster.api.by != "keepalived":
        return ""
    return KEEPALIVED.format(
        router=int(ip_address(vip)) % 255 + 1,
        address=node.address,
        peers="\n".join(f"    {server.address}" for server in cluster.servers if server.name != node.name),
        vip=vip,
        prefix=ip_network(cluster.lan).prefixlen,
    )


def manifests(cluster: ClusterSettings, node: NodeSettings, image: str) -> str:
    """What K3s deploys by itself on a server: kube-vip, if it keeps the address; else nothing."""
    if node.role == "agent" or cluster.api.vip is None or cluster.api.by != "kube-vip":
        return ""
    return yaml.safe_dump_all([*_kube_vip_rights(), _kube_vip(cluster.api.vip, image)], sort_keys=False)


def _kube_vip_rights() -> list[dict[str, object]]:
    name, namespace = "kube-vip", "kube-system"
    rules = [
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list", "get", "watch"]},
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "verbs": ["list", "get", "watch", "update", "create"],
        },
    ]
    rbac = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}},
        {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        },
    ]


def _kube_vip(vip: str, image: str) -> dict[str, object]:
    labels = {"app.kubernetes.io/name": "kube-vip"}
    # the controller of Services is MetalLB; kube-vip keeps the API's address and nothing else
    environment = {
        "vip_arp": "true", "port": "6443", "address": vip, "cp_enable": "true", "cp_namespace": "kube-system",
        "svc_enable": "false", "vip_leaderelection": "true", "vip_leaseduration": "5", "vip_renewdeadline": "3",
        "vip_retryperiod": "1",
    }  # fmt: skip
    container = {
        "name": "kube-vip",
        "image": image,
        "args": ["manager"],
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "securityContext": {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "kube-vip", "namespace": "kube-system", "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": "kube-vip",
                    "hostNetwork": True,
                    "priorityClassName": "system-node-critical",
                    "nodeSelector": {"node-role.kubernetes.io/control-plane": "true"},
                    "tolerations": [{"operator": "Exists"}],
                    "containers": [container],
                },
            },
        },
    }
