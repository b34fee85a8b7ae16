"""Traefik: an Ingress of its class shows the address under which Traefik is reached."""

from rehearsal.operators.api import Objects, ready, within

NAMESPACE = "traefik"
CLASS = "traefik"


def reconcile(api: Objects) -> None:
    """Copy the address of Traefik's Service to the Ingresses."""
    if not ready(api, NAMESPACE, "traefik"):
        return
    service = api.read(f"/api/v1/namespaces/{NAMESPACE}/services/traefik")
    balancer = (service or {}).get("status", {}).get("loadBalancer") or {}
    found = [{"ip": each["ip"]} for each in balancer.get("ingress") or () if "ip" in each]
    for ingress in api.items("/apis/networking.k8s.io/v1/ingresses") if found else ():
        shown = ingress.get("status", {}).get("loadBalancer", {}).get("ingress")
        if ingress["spec"].get("ingressClassName") == CLASS and shown != found:
            path = within("apis/networking.k8s.io/v1", "ingresses", ingress)
            api.patch(f"{path}/status", {"status": {"loadBalancer": {"ingress": found}}})
