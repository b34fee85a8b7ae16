"""Virtual IP of the Kubernetes API, which keepalived (optionally with HAProxy) or kube-vip assigns to one server."""

from ipaddress import ip_address, ip_network

import yaml

from components.cluster.api_endpoint import haproxy
from components.cluster.k3s import config
from components.cluster.settings import API_PORT, ClusterSettings, NodeSettings
from components.kubernetes import rbac
from components.settings.addresses import bracketed

KEEPALIVED_TEMPLATE = """\
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

# curl repeats the request while the API server reports that it is not ready, for example while etcd adds a member; if
# the connection is refused, the health check fails at once
API_HEALTH_CHECK = """\
#!/bin/sh
cd /var/lib/rancher/k3s/server/tls && exec curl -fsS -o /dev/null --max-time 5 --retry 9 --retry-delay 1 \\
  --retry-max-time 5 --cacert server-ca.crt --cert client-admin.crt --key client-admin.key https://127.0.0.1:6443/readyz"""


def variables(cluster: ClusterSettings, node: NodeSettings) -> dict[str, str]:
    """Return the shell variables from which the script `node/prepare.sh` configures keepalived and HAProxy.

    The script runs keepalived only if `KEEPALIVED` is not empty, and HAProxy only if `HAPROXY` is not empty.
    """
    check = haproxy.HEALTH_CHECK.format(port=cluster.endpoint_port) if cluster.api.balancer else API_HEALTH_CHECK
    keepalived = keepalived_config(cluster, node)
    addresses = {
        "VIP": f"{bracketed(cluster.api.vip)}:{API_PORT}" if keepalived and cluster.api.vip else "",
        "PEERS": config.peer_addresses(cluster, node) if keepalived else "",
    }
    return {
        **addresses,
        "KEEPALIVED": keepalived,
        "CHECK": check if keepalived else "",
        "HAPROXY": haproxy.haproxy_config(cluster, node),
    }


def packages(cluster: ClusterSettings, node: NodeSettings) -> list[str]:
    """Return the apt packages that `node` needs for the API's virtual IP: keepalived, haproxy, both or none."""
    configs = variables(cluster, node)
    return [name for name in ("keepalived", "haproxy") if configs[name.upper()]]


def keepalived_config(cluster: ClusterSettings, node: NodeSettings) -> str:
    """Render `keepalived.conf` for a server, or return an empty string if keepalived does not run on the node.

    The script `node/prepare.sh` replaces the placeholder `@DEVICE@` with the name of the machine's network interface.
    homelab derives the VRRP router ID from the VIP, so two clusters in one LAN usually have different router IDs. The
    health check of a server succeeds if its API is ready or, with HAProxy, if its HAProxy reaches a ready API. A
    successful health check raises the server's VRRP priority, so keepalived moves the VIP to such a server. All servers
    have the same VRRP base priority, so the VIP does not move back when a failed server recovers. If the health checks
    of all servers fail, the VIP does not move. Two servers may hold the VIP at the same time for a moment. The server
    that holds the VIP sends gratuitous ARP packets every second to correct the ARP caches of other machines.
    """
    vip = cluster.api.vip
    if node.role == "agent" or vip is None or cluster.api.by != "keepalived":
        return ""
    return KEEPALIVED_TEMPLATE.format(
        router=int(ip_address(vip)) % 255 + 1,
        address=node.address,
        peers="\n".join(f"    {server.address}" for server in cluster.servers if server.name != node.name),
        vip=vip,
        prefix=ip_network(cluster.lan).prefixlen,
    )


def kube_vip_manifests(cluster: ClusterSettings, node: NodeSettings, image: str) -> str:
    """Render the Kubernetes manifests of kube-vip for a server, or return an empty string if the node needs none."""
    if node.role == "agent" or cluster.api.vip is None or cluster.api.by != "kube-vip":
        return ""
    return yaml.safe_dump_all([*_kube_vip_rbac(), _kube_vip_daemonset(cluster.api.vip, image)], sort_keys=False)


def _kube_vip_rbac() -> list[dict[str, object]]:
    name, namespace = "kube-vip", "kube-system"
    rules = [
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list", "get", "watch"]},
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "verbs": ["list", "get", "watch", "update", "create"],
        },
    ]
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}},
        {"apiVersion": f"{rbac.API_GROUP}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules},
        {
            "apiVersion": f"{rbac.API_GROUP}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": rbac.API_GROUP, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        },
    ]


def _kube_vip_daemonset(vip: str, image: str) -> dict[str, object]:
    labels = {"app.kubernetes.io/name": "kube-vip"}
    # kube-vip announces only the virtual IP of the API, because MetalLB announces the load-balancer IPs of Services
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
