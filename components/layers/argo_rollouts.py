"""Argo Rollouts: new versions of apps take over step by step, or not at all."""

from collections.abc import Mapping

from components.layer import Layer, resources, spread
from components.manifest import Tree
from components.model import Model


class ArgoRolloutsSettings(Model):
    """Argo Rollouts: canaries, and blue and green, for apps with a `strategy`. There is nothing to set."""


class ArgoRollouts(Layer[ArgoRolloutsSettings]):
    """Argo Rollouts, which apps with a `strategy` need."""

    key = "argoRollouts"
    settings_type = ArgoRolloutsSettings
    namespace = "argo-rollouts"
    security = "restricted"
    keeps = "apps"
    kept = ("rollouts.argoproj.io -A",)

    def values(self) -> Mapping[str, Tree]:
        """Return the controller, twice where there are two machines; one of them leads."""
        replicas = self.lab.replicas(2)
        metrics = {"enabled": True, "serviceMonitor": {"enabled": self.monitored}}
        controller: dict[str, Tree] = {
            "replicas": replicas,
            "pdb": {"enabled": True, "maxUnavailable": 1} if replicas > 1 else {"enabled": False},
            "priorityClassName": "system-cluster-critical",
            "resources": resources("25m", "128Mi"),
            "topologySpreadConstraints": spread({"app.kubernetes.io/component": "rollouts-controller"}),
            "metrics": metrics,
        }
        # its page has no login
        values = {"installCRDs": True, "keepCRDs": True, "controller": controller, "dashboard": {"enabled": False}}
        return {"argo-rollouts": values}

    def outputs(self) -> Mapping[str, object]:
        """Return that apps may have a strategy."""
        return {"rollouts": self.namespace}
