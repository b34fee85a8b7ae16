"""Kyverno, which checks pods against admission policies."""

from collections.abc import Iterator, Mapping, Sequence

from components.kubernetes.manifest import Json, Manifest
from components.layers.kyverno import policies
from components.layers.kyverno.policies import ImageSource
from components.platform.layer import Layer, disruption_budget, resources, uncapped_resources
from components.settings.errors import Finding
from components.settings.fields import DnsLabel, StrictBool
from components.settings.model import Model

_PRIORITY = "system-cluster-critical"


class KyvernoSettings(Model):
    """Settings of Kyverno, whose policies forbid privileged containers, and require memory limits and image
    versions."""

    enforce: StrictBool = False
    """Whether Kyverno rejects pods that violate a policy. Default: Kyverno reports violations, and rejects no pod."""
    registries: tuple[ImageSource, ...] = ()
    """Image registries, or paths in image registries, from which pods may pull images. Default: all registries."""
    exempt: tuple[DnsLabel, ...] = ()
    """Namespaces to which the policies do not apply. homelab always exempts the namespaces of Kubernetes and of
    layers."""


class Kyverno(Layer[KyvernoSettings]):
    """Layer for Kyverno and its baseline policies, which report or reject pods."""

    key = "kyverno"
    settings_type = KyvernoSettings
    namespace = "kyverno"
    pod_security = "restricted"
    # homelab applies the CRDs, because Helm would delete the CRDs and the user's policies together with the release,
    # and because a release with the CRDs would hardly fit into Helm's Secret
    charts_with_crds_folder = ("kyverno",)

    def values(self) -> Mapping[str, Json]:
        """Return Kyverno's Helm values.

        Kyverno's webhooks ignore exempt namespaces and the namespaces of layers, so pods of layers can start while
        Kyverno is down.
        """
        selector = policies.namespace_selector(self._exempt)
        values: dict[str, Json] = {
            "crds": {"install": False},
            "config": {"webhooks": {"namespaceSelector": selector}},
            "admissionController": self._admission(),
        }
        for name in ("backgroundController", "cleanupController", "reportsController"):
            values[name] = {**self._component(), "replicas": 1, "resources": resources("25m", "192Mi")}
        return {"kyverno": values}

    def _component(self) -> dict[str, Json]:
        return {"priorityClassName": _PRIORITY, "serviceMonitor": {"enabled": self.has_monitoring}}

    def _admission(self) -> Json:
        replicas = self.lab.replicas(3)
        return {
            **self._component(),
            "replicas": replicas,
            "podDisruptionBudget": disruption_budget(replicas, minAvailable=1),
            "initContainer": {"resources": uncapped_resources("10m", "256Mi")},
            "container": {"resources": resources("50m", "384Mi")},
        }

    @property
    def _exempt(self) -> tuple[str, ...]:
        """Namespaces that policies exempt by name, because these namespaces lack the label `homelab/layer`."""
        return (*self.settings.exempt, *sorted(self.lab.further_namespaces))

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the baseline policies."""
        settings = self.settings
        return [*policies.baseline(settings.registries, self._exempt, enforced=settings.enforce)]

    def findings(self) -> Iterator[Finding]:
        """Yield an error for each namespace in `exempt` that Kyverno always exempts."""
        for index, name in enumerate(self.settings.exempt):
            if name in policies.SYSTEM_NAMESPACES or name == self.namespace or name in self.lab.further_namespaces:
                yield ("exempt", index), "is always exempt", "remove it"
