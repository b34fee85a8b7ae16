"""Kyverno: policies that say which pods there may be."""

from collections.abc import Iterator, Mapping, Sequence

from components import policies
from components.fields import HostLabel, Switch
from components.layer import Finding, Layer, resources, uncapped
from components.manifest import Manifest, Tree
from components.model import Model
from components.policies import ImageSource

_PRIORITY = "system-cluster-critical"


class KyvernoSettings(Model):
    """Kyverno: policies for pods. No privileged containers, limits of memory, images with a version."""

    enforce: Switch = False
    """Whether pods that break a policy are refused. Default: they are reported."""
    registries: tuple[ImageSource, ...] = ()
    """Registries, or paths in them, that images may come from. Default: all."""
    exempt: tuple[HostLabel, ...] = ()
    """Namespaces that no policy is for, besides those of Kubernetes and of layers."""


class Kyverno(Layer[KyvernoSettings]):
    """Kyverno with a baseline of policies, which report or refuse."""

    key = "kyverno"
    settings_type = KyvernoSettings
    namespace = "kyverno"
    security = "restricted"
    bare_crds = ("kyverno",)  # policies of your own stay; and with them a release would hardly fit into its Secret

    def values(self) -> Mapping[str, Tree]:
        """Return its controllers. They look into no namespace that is exempt, so a failure locks no layer out."""
        selector = policies.exempted(self._exempt)
        values: dict[str, Tree] = {
            "crds": {"install": False},
            "config": {"webhooks": {"namespaceSelector": selector}},
            "admissionController": self._admission(),
        }
        for name in ("backgroundController", "cleanupController", "reportsController"):
            values[name] = {**self._part(), "replicas": 1, "resources": resources("25m", "192Mi")}
        return {"kyverno": values}

    def _part(self) -> dict[str, Tree]:
        return {"priorityClassName": _PRIORITY, "serviceMonitor": {"enabled": self.monitored}}

    def _admission(self) -> Tree:
        replicas = self.lab.replicas(3)
        return {
            **self._part(),
            "replicas": replicas,
            "podDisruptionBudget": {"enabled": True, "minAvailable": 1} if replicas > 1 else {"enabled": False},
            "initContainer": {"resources": uncapped("10m", "256Mi")},
            "container": {"resources": resources("50m", "384Mi")},
        }

    @property
    def _exempt(self) -> tuple[str, ...]:
        """Namespaces that no policy is for, besides those that have a label of a layer."""
        return (*self.settings.exempt, *sorted(self.lab.further_namespaces))

    def extend(self) -> Sequence[Manifest]:
        """Return the policies."""
        given = self.settings
        return [*policies.baseline(given.registries, self._exempt, enforced=given.enforce)]

    def problems(self) -> Iterator[Finding]:
        """Yield namespaces that are exempt already."""
        for index, name in enumerate(self.settings.exempt):
            if name in policies.SYSTEM or name == self.namespace or name in self.lab.further_namespaces:
                yield ("exempt", index), "is exempt in any case", "take it out"
