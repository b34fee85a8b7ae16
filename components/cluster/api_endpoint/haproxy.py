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
  # If a server does not accept a connection, HAProxy immediately tries another server. A stream, such as that of
  # `kubectl exec`, may be idle for 4 hours, as with the kubelet's default.
  timeout connect 500ms
  timeout client 1m
  timeout server 1m
  timeout tunnel 4h
  retries 3
  option redispatch 1
  option clitcpka
  option srvtcpka
  # To requests without credentials, K3s responds with 401 if its API server is running, and with 503 until then.
  # HAProxy does not verify the servers' certificates, because the CA does not exist before K3s has started. Clients of
  # the API verify the certificate themselves, because HAProxy forwards their TLS connections unchanged.
  option httpchk GET /readyz
  http-check expect status 200,401
  # Without `timeout check`, a health check may take as long as `inter`. With `timeout check`, the TLS handshake of the
  # health check would have to end within `timeout connect`.
  default-server check check-ssl verify none inter 3s fastinter 1s downinter 1s fall 2
  # A server that has just become ready is still slow, but has the fewest connections, so `leastconn` would send all new
  # connections to this server. `slowstart` increases the server's share over 30 s.
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
