"""MetalLB: Services of type LoadBalancer get addresses of the pools, and the lan finds the way to them."""

import subprocess
from collections.abc import Collection, Iterator
from ipaddress import ip_address, ip_network

from rehearsal.operators.api import Json, Objects, ready, within

NAMESPACE = "metallb-system"
WANTED = "metallb.io/loadBalancerIPs"
POOL = "metallb.io/address-pool"


def reconcile(api: Objects) -> None:
    """Give addresses to Services that wait for one, and lead the lan to a node for each."""
    if not ready(api, NAMESPACE, "metallb-controller"):
        return
    pools = api.items(f"/apis/metallb.io/v1beta1/namespaces/{NAMESPACE}/ipaddresspools")
    services = [each for each in api.items("/api/v1/services") if each["spec"].get("type") == "LoadBalancer"]
    taken = {address for each in services for address in given(each)}
    for service in services:
        if not given(service):
            address = choose(service, pools, taken)
            if address:
                taken.add(address)
                status = {"status": {"loadBalancer": {"ingress": [{"ip": address, "ipMode": "VIP"}]}}}
                api.patch(f"{within('api/v1', 'services', service)}/status", status)
    announce(api, services)


def given(service: Json) -> list[str]:
    """Addresses that a Service has."""
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    return [each["ip"] for each in ingress if "ip" in each]


def choose(service: Json, pools: list[Json], taken: Collection[str]) -> str | None:
    """The address that a Service gets: the one it asks for, or the first free one of a pool that it may use."""
    annotations = service["metadata"].get("annotations") or {}
    pool = annotations.get(POOL)
    usable = [each for each in pools if pool in (None, each["metadata"]["name"])]
    if wanted := annotations.get(WANTED):
        first = str(wanted).partition(",")[0].strip()
        inside = any(first in addresses(each) for each in usable)
        return first if inside and first not in taken else None
    for each in usable:
        if pool or each["spec"].get("autoAssign", True):
            for address in addresses(each):
                if address not in taken and not (
                    each["spec"].get("avoidBuggyIPs") and address.endswith((".0", ".255"))
                ):
                    return address
    return None


def addresses(pool: Json) -> Iterator[str]:
    """Every address of a pool, in its order."""
    for entry in pool["spec"]["addresses"]:
        first, dash, last = str(entry).partition("-")
        if dash:
            start, end = ip_address(first.strip()), ip_address(last.strip())
            yield from (str(start + offset) for offset in range(int(end) - int(start) + 1))
        else:
            yield from map(str, ip_network(entry))


def announce(api: Objects, services: list[Json]) -> None:
    """Lead the lan to a node that has a pod of each Service."""
    nodes = {each["metadata"]["name"]: internal(each) for each in api.items("/api/v1/nodes") if is_ready(each)}
    for service in services:
        for address in given(service):
            if node := speaker(api, service, nodes):
                subprocess.run(["ip", "route", "replace", address, "via", node], check=False, capture_output=True)


def speaker(api: Objects, service: Json, nodes: dict[str, str]) -> str | None:
    """Address of the node that answers for a Service: one with a pod of it, as `Local` traffic needs."""
    metadata = service["metadata"]
    slices = api.items(
        f"/apis/discovery.k8s.io/v1/namespaces/{metadata['namespace']}/endpointslices"
        f"?labelSelector=kubernetes.io%2Fservice-name%3D{metadata['name']}"
    )
    endpoints = [each for one in slices for each in one.get("endpoints") or ()]
    hosts = sorted(each.get("nodeName", "") for each in endpoints if each.get("conditions", {}).get("ready"))
    return next((nodes[host] for host in hosts if host in nodes), None)


def internal(node: Json) -> str:
    """A node's address in the lan."""
    return next(str(each["address"]) for each in node["status"]["addresses"] if each["type"] == "InternalIP")


def is_ready(node: Json) -> bool:
    """Whether a node is Ready."""
    return any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"]["conditions"])
