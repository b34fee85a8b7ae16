"""Checks of the API endpoint."""

from ipaddress import ip_address, ip_network

from components.cluster.k3s import ports
from components.cluster.settings import API_PORT, BALANCER_PORT, ClusterSettings
from components.settings.addresses import edge_of
from components.settings.errors import Findings


def _single_endpoint(cluster: ClusterSettings) -> Findings:
    api = cluster.api
    if api.vip is not None and api.external is not None:
        yield ("api",), "has both vip and external", "keep the one that is the API endpoint"
    elif api.vip is None and api.external is None and len(cluster.servers) > 1:
        reason = "has neither vip nor external, but a cluster with several servers needs vip or external"
        yield ("api",), reason, "set vip to a free address of the lan, or set external to your load balancer's address"


def _vip_options(cluster: ClusterSettings) -> Findings:
    api = cluster.api
    if "by" in api.model_fields_set and api.vip is None:
        yield ("api", "by"), "is set without vip", "set vip, or leave it out"
    if len(set(api.tls_sans)) < len(api.tls_sans):
        yield ("api", "tlsSans"), "contains an entry twice", "keep one of each"


def _balancer(cluster: ClusterSettings) -> Findings:
    api = cluster.api
    if api.balancer is not None and (api.vip is None or api.by != "keepalived"):
        reason = "needs a virtual IP of keepalived"
        yield ("api", "balancer"), reason, "set vip without by, or leave it out"


def _port(cluster: ClusterSettings) -> Findings:
    api, loc = cluster.api, ("api", "port")
    if api.external is not None:
        return
    if api.balancer is None:
        if api.port != API_PORT:
            yield loc, "is set without balancer", f"remove the setting: without a load balancer, the port is {API_PORT}"
        return
    fix = f"choose another port, or remove the setting: the default is {BALANCER_PORT}"
    if ports.user(api.port, "TCP"):
        yield loc, "is a port of K3s itself", fix
    if api.port in {cluster.ssh_of(server).port for server in cluster.servers}:
        yield loc, "is a server's SSH port", fix


def _free_vip(cluster: ClusterSettings) -> Findings:
    if cluster.api.vip is None:
        return
    fix = "choose a free address of the lan"
    for node in cluster.nodes:
        if cluster.api.vip in node.addresses:
            yield ("api", "vip"), f"is the address of {node.name}", fix
    bastions = [cluster.ssh.bastion, *(node.ssh.bastion for node in cluster.nodes)]
    if any(bastion and bastion.address == cluster.api.vip for bastion in bastions):
        yield ("api", "vip"), "is the address of a bastion", fix


def _vip_in_lan(cluster: ClusterSettings) -> Findings:
    if cluster.api.vip is None:
        return
    vip, lan = ip_address(cluster.api.vip), ip_network(cluster.lan)
    if vip not in lan:
        yield ("api", "vip"), f"is not in the lan {lan}", "choose a free address of the lan, or change lan"
    elif edge := edge_of(cluster.api.vip, cluster.lan):
        yield ("api", "vip"), f"is the {edge} address of the lan {lan}", "choose a free address of the lan"


def _servers_in_lan(cluster: ClusterSettings) -> Findings:
    if cluster.api.vip is None:
        return
    lan = ip_network(cluster.lan)
    for index, node in enumerate(cluster.nodes):
        if node.role == "server" and ip_address(node.address) not in lan:
            fix = "a virtual IP works only within one subnet: set lan to that subnet, or use an external load balancer"
            yield ("nodes", index, "address"), f"is not in the lan {lan}", fix


def _external_is_no_node(cluster: ClusterSettings) -> Findings:
    if cluster.api.external is None or len(cluster.nodes) == 1:
        return
    for node in cluster.nodes:
        if node.address == cluster.api.external:
            reason = f"is the address of {node.name}: if that node fails, the API is unreachable"
            yield ("api", "external"), reason, "set external to a load balancer for all servers, or set vip instead"


CLUSTER_CHECKS = (
    _single_endpoint,
    _vip_options,
    _balancer,
    _port,
    _free_vip,
    _vip_in_lan,
    _servers_in_lan,
    _external_is_no_node,
)
