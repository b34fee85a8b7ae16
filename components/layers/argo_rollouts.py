"""Argo Rollouts, which performs canary and blue-green rollouts of apps."""

from collections.abc import Mapping

from components.kubernetes.manifest import Json
from components.platform.layer import Layer, disruption_budget, resources, topology_spread
from components.settings.model import Model


class ArgoRolloutsSettings(Model):
    """Settings of Argo Rollouts, which performs canary and blue-green rollouts of apps that set `strategy`.

    The layer argoRollouts has no settings.
    """


class ArgoRollouts(Layer[ArgoRolloutsSettings]):
    """Layer for Argo Rollouts, which apps with the setting `strategy` require."""

    key = "argoRollouts"
    settings_type = ArgoRolloutsSettings
    namespace = "argo-rollouts"
    pod_security = "restricted"
    user_data = "apps"
    user_data_queries = ("rollouts.argoproj.io -A",)

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values of Argo Rollouts' controller: up to two replicas, with leader election."""
        replicas = self.lab.replicas(2)
        metrics = {"enabled": True, "serviceMonitor": {"enabled": self.has_monitoring}}
        controller: dict[str, Json] = {
            "replicas": replicas,
            "pdb": disruption_budget(replicas, maxUnavailable=1),
            "priorityClassName": "system-cluster-critical",
            "resources": resources("25m", "128Mi"),
            "topologySpreadConstraints": topology_spread({"app.kubernetes.io/component": "rollouts-controller"}),
            "metrics": metrics,
        }
        # the dashboard of Argo Rollouts stays disabled, because anyone could use it without a login
        values = {"installCRDs": True, "keepCRDs": True, "controller": controller, "dashboard": {"enabled": False}}
        return {"argo-rollouts": values}

    def outputs(self) -> Mapping[str, object]:
        """Return the namespace of Argo Rollouts as a stack output.

        Apps whose stack file sets `strategy` need the stack output `rollouts`.
        """
        return {"rollouts": self.namespace}
