"""Traefik: the ingress controller, behind one load-balancer address."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Literal

from components import pools, routes
from components.fields import Address, HostLabel, Switch, Url
from components.layer import Finding, Layer, resources, spread
from components.layers.cert_manager import CertManagerSettings
from components.layers.metallb import MetalLBSettings
from components.manifest import Manifest, Tree
from components.model import Model
from components.routes import DashboardSettings

CLASS = "traefik"
_CERTIFICATE = "wildcard"


class CertificateSettings(Model):
    """The certificate that is shown for names without one of their own: for the domain and all names right below."""

    issuer: HostLabel | None = None
    """Issuer of certManager. Default: its first one that gives certificates for `*.DOMAIN`, if there is one."""


class TraefikSettings(Model):
    """Traefik: the way from outside to the apps, by host name."""

    address: Address | None = None
    """Its load-balancer address, of a pool of metallb. Default: the first one of the default pool."""
    external_traffic_policy: Literal["Local", "Cluster"] = "Local"
    """`Local` shows apps the address of the client; `Cluster` takes a way over other nodes, and hides it."""
    https_only: Switch = True
    """Whether requests in clear (HTTP) are sent on to HTTPS."""
    default_class: Switch = True
    """Whether Ingresses that name no class are served too."""
    certificate: CertificateSettings | None = CertificateSettings()
    """The default certificate, of certManager. `null`: Traefik makes one up that nobody trusts."""
    default_route: Url | None = None
    """Where HTTPS requests are sent on to whose host name nothing serves. Default: they are answered with 404."""
    dashboard: DashboardSettings | None = None
    """The dashboard. Default: there is none."""


class Traefik(Layer[TraefikSettings]):
    """Traefik with its default certificate, default route and dashboard."""

    key = "traefik"
    settings_type = TraefikSettings
    namespace = "traefik"
    after = ("metallb", "certManager")
    replaces = ("traefik",)
    bare_crds = ("traefik",)

    def values(self) -> Mapping[str, Tree]:
        """Return Traefik, twice where there are two machines, whose own objects only this namespace may name."""
        replicas, metrics = self.lab.replicas(2), {"enabled": self.monitored}
        redirect = {"to": "websecure", "scheme": "https", "permanent": True} if self.settings.https_only else {}
        ours = {"crossProviderNamespaces": [self.namespace], "defaultTLSResourcesNamespace": self.namespace}
        values: dict[str, Tree] = {
            "deployment": {"replicas": replicas},
            "podDisruptionBudget": {"enabled": True, "maxUnavailable": 1} if replicas > 1 else {"enabled": False},
            "topologySpreadConstraints": spread({"app.kubernetes.io/name": "traefik"}),
            "priorityClassName": "system-cluster-critical",
            "resources": resources("100m", "256Mi"),
            "ingressClass": {"enabled": True, "isDefaultClass": self.settings.default_class, "name": CLASS},
            "ports": {"web": {"http": {"redirections": {"entryPoint": redirect}}}},
            "service": self._service(),
            "providers": {"kubernetesCRD": ours},
            "api": {"dashboard": self.settings.dashboard is not None},
            "global": {"checkNewVersion": False},
            "metrics": {"prometheus": {"service": metrics, "serviceMonitor": metrics, "disableAPICheck": True}},
        }
        return {"traefik": values}

    def _service(self) -> Tree:
        annotations = {"metallb.io/loadBalancerIPs": self.address} if self.address else {}
        spec = {"type": "LoadBalancer", "externalTrafficPolicy": self.settings.external_traffic_policy}
        return {"annotations": annotations, "spec": spec}

    def before(self) -> Sequence[Manifest]:
        """Return who may see the dashboard."""
        return [routes.users(self.settings.dashboard, self.namespace)] if self.settings.dashboard else ()

    def extend(self) -> Sequence[Manifest]:
        """Return the default certificate, the dashboard and the default route."""
        made = list(self._certificate())
        if self.settings.dashboard:
            made += routes.dashboard(self.settings.dashboard, self.lab.cluster.domain, self.namespace)
        if self.settings.default_route:
            made += routes.elsewhere(self.settings.default_route, self.namespace)
        return made

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
        yield routes.custom("TLSStore", self.metadata("default"), store)

    @property
    def address(self) -> str | None:
        """The load-balancer address; None where metallb is off, and whatever gives addresses then chooses."""
        metallb = self.lab.of(MetalLBSettings)
        if self.settings.address or metallb is None:
            return self.settings.address
        return pools.first(metallb.addresses, self._family)

    @property
    def issuer(self) -> str | None:
        """The issuer of the default certificate, None without one."""
        issuers, certificate = self.lab.of(CertManagerSettings), self.settings.certificate
        if issuers is None or certificate is None:
            return None
        return certificate.issuer or next(iter(issuers.wildcard_issuers), None)

    @property
    def _family(self) -> int:
        return ip_network(self.lab.cluster.network.services[0]).version

    def outputs(self) -> Mapping[str, object]:
        """Return the ingress class and the address behind which it is."""
        return {"ingress_class": CLASS, "ingress_namespace": self.namespace, "ingress_address": self.address}

    def problems(self) -> Iterator[Finding]:
        """Yield what is wrong between Traefik, the pools of addresses and the issuers."""
        yield from self._address_problems()
        yield from self._issuer_problems()

    def _address_problems(self) -> Iterator[Finding]:
        metallb, address = self.lab.of(MetalLBSettings), self.settings.address
        if metallb is None:
            if address:
                yield ("address",), "needs metallb, which is off", "add metallb with a pool that holds the address"
        elif address is None:
            if self.address is None:
                reason = f"is missing: the default pool of metallb gives out no IPv{self._family} address"
                yield ("address",), reason, "add addresses to metallb, or choose an address of another pool"
        elif ip_address(address).version != self._family:
            yield (
                ("address",),
                f"is not IPv{self._family} as network.services is",
                f"choose an IPv{self._family} address",
            )
        elif not any(pools.holds(pool.addresses, address) for pool in metallb.all_pools().values()):
            yield ("address",), "is given out by no pool of metallb", "choose an address of a pool, or add it to one"

    def _issuer_problems(self) -> Iterator[Finding]:
        issuers, issuer = (
            self.lab.of(CertManagerSettings),
            self.settings.certificate and self.settings.certificate.issuer,
        )
        place = ("certificate", "issuer")
        if issuer is None:
            return
        if issuers is None:
            yield place, "needs certManager, which is off", "add certManager: {} beside traefik"
        elif issuer not in issuers.issuers:
            yield place, "is not an issuer of certManager", f"use one of: {', '.join(issuers.issuers)}"
        elif issuer not in issuers.wildcard_issuers:
            reason = "gives no wildcard certificates: acme.http01 cannot prove them"
            yield place, reason, "use acme.route53 or acme.cloudflare, or the issuer ca"
