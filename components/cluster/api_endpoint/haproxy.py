"""HAProxy configuration: HAProxy runs on every server, and balances API requests over all servers with a ready API."""

from components.cluster.settings import API_PORT, ClusterSettings, NodeSettings
from components.settings.addresses import bracketed

CONFIG_TEMPLATE = """\
# homelab
global
  log stdout format raw local0 notice
  chroot /var/lib/haproxy
  user haproxy
  group haproxy
  maxconn 4096
listen api
  bind {bind}
  log global
  mode tcp
  balance leastconn
  # another server at once where one does not take a connection; a stream may be idle as long as kubelets let it
  timeout connect 500ms
  timeout client 1m
  timeout server 1m
  timeout tunnel 4h
  retries 3
  option redispatch 1
  option clitcpka
  option srvtcpka
  # 401 is what K3s tells strangers, and only the API server itself says so: until it is there, it is 503.
  # Who answers is not verified: there are no certificates before K3s, and clients verify what passes through.
  option httpchk GET /readyz
  http-check expect status 200,401
  # a whole check may take `inter`; with `timeout check`, the handshake alone would have to end within `timeout connect`
  default-server check check-ssl verify none inter 3s fastinter 1s downinter 1s fall 2
  # what has just started is not quite ready, and has the fewest connections
  default-server rise 3 slowstart 30s on-marked-down shutdown-sessions
{servers}
"""
HEALTH_CHECK = """\
#!/bin/sh
exec curl -fksS -o /dev/null --max-time 5 https://127.0.0.1:{port}/ping"""


def haproxy_config(cluster: ClusterSettings, node: NodeSettings) -> str:
    """Render `haproxy.cfg` for a server, or return an empty string if HAProxy does not run on the node."""
    if node.role == "agent" or cluster.api.balancer is None:
        return ""
    has_ipv6 = any(":" in address for address in node.addresses)
    return CONFIG_TEMPLATE.format(
        bind=f"[::]:{cluster.api.port} v4v6" if has_ipv6 else f"*:{cluster.api.port}",
        servers="\n".join(_backend(server) for server in cluster.servers),
    )


def _backend(server: NodeSettings) -> str:
    return f"  server {server.name} {bracketed(server.address)}:{API_PORT}"
