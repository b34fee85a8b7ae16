"""Traefik, the Ingress controller, which clients reach at one load-balancer IP."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Literal

from components.kubernetes.manifest import Json, Manifest
from components.layers.cert_manager.layer import CertManagerSettings
from components.layers.metallb.layer import MetalLBSettings
from components.layers.shared import address_pools
from components.layers.shared.web_ui import public_ca_refusal
from components.layers.traefik import routes
from components.layers.traefik.routes import DashboardSettings
from components.platform.layer import Layer, disruption_budget, resources, topology_spread
from components.settings.errors import Finding
from components.settings.fields import Address, DnsLabel, StrictBool, Url
from components.settings.model import Model

INGRESS_CLASS = "traefik"
_CERTIFICATE = "wildcard"


class CertificateSettings(Model):
    """Settings of Traefik's default certificate, which is valid for `DOMAIN` and `*.DOMAIN`.

    Traefik uses the default certificate for all hosts that have no certificate of their own.
    """

    issuer: DnsLabel | None = None
    """ClusterIssuer for Traefik's default certificate. Default: the first ClusterIssuer of the layer certManager that
    can issue wildcard certificates."""


class TraefikSettings(Model):
    """Settings of Traefik, the Ingress controller, which routes requests to apps by host name."""

    address: Address | None = None
    """Load-balancer IP of Traefik, which must be in an address pool of MetalLB. Default: the first IP address of
    MetalLB's default pool."""
    external_traffic_policy: Literal["Local", "Cluster"] = "Local"
    """With `Local`, Traefik sees the client's IP address. With `Cluster`, requests may pass through another node, and
    Traefik does not see the client's IP address. Default with `k3s.servicelb`: Cluster, so that every node serves
    requests; ServiceLB hides the client's IP address in any case."""
    https_only: StrictBool = True
    """Whether Traefik redirects all HTTP requests to HTTPS."""
    default_class: StrictBool = True
    """Whether Traefik also serves Ingresses that name no IngressClass."""
    certificate: CertificateSettings | None = CertificateSettings()
    """Traefik's default certificate, which cert-manager issues. With `certificate: null`, Traefik generates a
    self-signed certificate, which no client trusts."""
    default_route: Url | None = None
    """URL to which Traefik redirects HTTPS requests for unknown host names. Default: Traefik answers requests for
    unknown host names with HTTP status 404."""
    dashboard: DashboardSettings | None = None
    """Traefik's dashboard. Default: none."""


class Traefik(Layer[TraefikSettings]):
    """Layer for Traefik, with a default certificate, a default route and a dashboard."""

    key = "traefik"
    settings_type = TraefikSettings
    namespace = "traefik"
    installs_after = ("metallb", "certManager")
    replaces_packaged = ("traefik",)
    charts_with_crds_folder = ("traefik",)

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values.

        Only routes in Traefik's own namespace may refer to internal services of Traefik, such as the dashboard.
        """
        replicas, metrics = self.lab.replicas(2), {"enabled": self.has_monitoring}
        redirect = {"to": "websecure", "scheme": "https", "permanent": True} if self.settings.https_only else {}
        crd_provider = {"crossProviderNamespaces": [self.namespace], "defaultTLSResourcesNamespace": self.namespace}
        values: dict[str, Json] = {
            "deployment": {"replicas": replicas},
            "podDisruptionBudget": disruption_budget(replicas, maxUnavailable=1),
            "topologySpreadConstraints": topology_spread({"app.kubernetes.io/name": "traefik"}),
            "priorityClassName": "system-cluster-critical",
            "resources": resources("100m", "256Mi"),
            "ingressClass": {"enabled": True, "isDefaultClass": self.settings.default_class, "name": INGRESS_CLASS},
            "ports": {"web": {"http": {"redirections": {"entryPoint": redirect}}}},
            "service": self._service(),
            "providers": {"kubernetesCRD": crd_provider},
            "api": {"dashboard": self.settings.dashboard is not None},
            "global": {"checkNewVersion": False},
            "metrics": {"prometheus": {"service": metrics, "serviceMonitor": metrics, "disableAPICheck": True}},
        }
        return {"traefik": values}

    def _service(self) -> Json:
        annotations = {"metallb.io/loadBalancerIPs": self.address} if self.address else {}
        spec = {"type": "LoadBalancer", "externalTrafficPolicy": self._traffic_policy}
        return {"annotations": annotations, "spec": spec}

    def objects_before_charts(self) -> Sequence[Manifest]:
        """Return the Kubernetes Secret with the user name and password for Traefik's dashboard."""
        return [routes.basic_auth_secret(self.settings.dashboard, self.namespace)] if self.settings.dashboard else ()

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the default certificate, the route of the dashboard, and the default route of Traefik."""
        manifests = list(self._certificate())
        if self.settings.dashboard:
            manifests += routes.dashboard_route(self.settings.dashboard, self.lab.cluster.domain, self.namespace)
        if self.settings.default_route:
            manifests += routes.default_route(self.settings.default_route, self.namespace)
        return manifests

    def _certificate(self) -> Iterator[Manifest]:
        if self.issuer is None:
            return
        domain = self.lab.cluster.domain
        spec = {
            "secretName": _CERTIFICATE,
            "dnsNames": [domain, f"*.{domain}"],
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
            "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": self.issuer},
        }
        metadata = self.metadata(_CERTIFICATE)
        yield {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": metadata, "spec": spec}
        store = {"defaultCertificate": {"secretName": _CERTIFICATE}}
        yield routes.custom_resource("TLSStore", self.metadata("default"), store)

    @property
    def address(self) -> str | None:
        """Load-balancer IP of Traefik, or None if MetalLB is disabled.

        Without MetalLB, another load balancer chooses the IP address.
        """
        metallb = self.lab.settings_of(MetalLBSettings)
        if self.settings.address or metallb is None:
            return self.settings.address
        return address_pools.first_address(metallb.addresses, self._family)

    @property
    def load_balancers(self) -> int:
        """1, for the Service of type LoadBalancer through which clients reach Traefik."""
        return 1

    @property
    def issuer(self) -> str | None:
        """ClusterIssuer for Traefik's default certificate, or None without a default certificate."""
        issuers, certificate = self.lab.settings_of(CertManagerSettings), self.settings.certificate
        if issuers is None or certificate is None:
            return None
        return certificate.issuer or next(iter(issuers.wildcard_issuers), None)

    @property
    def _family(self) -> int:
        return ip_network(self.lab.cluster.network.services[0]).version

    @property
    def _has_servicelb(self) -> bool:
        return self.lab.cluster.k3s.servicelb

    @property
    def _traffic_policy(self) -> str:
        is_default = "external_traffic_policy" not in self.settings.model_fields_set
        return "Cluster" if self._has_servicelb and is_default else self.settings.external_traffic_policy

    def outputs(self) -> Mapping[str, object]:
        """Return the IngressClass, the namespace, the load-balancer IP and the traffic policy of Traefik."""
        return {
            "ingress_class": INGRESS_CLASS,
            "ingress_namespace": self.namespace,
            "ingress_address": self.address,
            "ingress_traffic_policy": "Cluster" if self._has_servicelb else self.settings.external_traffic_policy,
        }

    def findings(self) -> Iterator[Finding]:
        """Yield errors in Traefik's load-balancer IP and in the ClusterIssuer of the default certificate."""
        yield from self._address_problems()
        yield from self._issuer_problems()

    def _address_problems(self) -> Iterator[Finding]:
        metallb, address = self.lab.settings_of(MetalLBSettings), self.settings.address
        if metallb is None:
            if address and self._has_servicelb:
                yield ("address",), "has no effect: with k3s.servicelb, Traefik has the nodes' addresses", "remove it"
            elif address:
                yield ("address",), "needs metallb, which is disabled", "add metallb with a pool that contains it"
        elif address is None:
            if self.address is None:
                reason = f"is missing: the default pool of metallb has no IPv{self._family} address"
                yield ("address",), reason, "add addresses to metallb, or choose an address of another pool"
        elif ip_address(address).version != self._family:
            reason = f"is not an IPv{self._family} address, but network.services uses IPv{self._family}"
            yield ("address",), reason, f"choose an IPv{self._family} address"
        elif not any(address_pools.can_assign(pool.addresses, address) for pool in metallb.all_pools().values()):
            yield ("address",), "is not in any pool of metallb", "choose an address in a pool, or add it to a pool"

    def _issuer_problems(self) -> Iterator[Finding]:
        issuers, issuer = (
            self.lab.settings_of(CertManagerSettings),
            self.settings.certificate and self.settings.certificate.issuer,
        )
        path, domain = ("certificate", "issuer"), self.lab.cluster.domain
        if issuers and self.issuer in issuers.wildcard_issuers and not issuers.signs(self.issuer, domain):
            yield path, *public_ca_refusal(self.issuer)
        if issuer is None:
            return
        if issuers is None:
            yield path, "needs certManager, which is disabled", "add certManager: {} next to traefik"
        elif issuer not in issuers.issuers:
            yield path, "is not an issuer of certManager", f"use one of: {', '.join(issuers.issuers)}"
        elif issuer not in issuers.wildcard_issuers:
            reason = "cannot issue wildcard certificates, because acme.http01 does not support wildcards"
            yield path, reason, "use acme.route53, acme.cloudflare, acme.rfc2136 or acme.webhook, or the issuer ca"
