"""Settings of the distribution of an app's pods over the nodes."""

from typing import Literal

from components.settings.fields import PositiveInt, SelectorKey
from components.settings.model import Model


class AppTopologySpreadSettings(Model):
    """A topologySpreadConstraint of the app's pods: how evenly Kubernetes distributes the pods over groups of nodes."""

    topology_key: SelectorKey
    """Node label whose values form the groups of nodes, such as topology.kubernetes.io/zone. The label
    kubernetes.io/hostname makes each node a group."""
    max_skew: PositiveInt = 1
    """Maximum difference between the numbers of pods in two groups."""
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = "ScheduleAnyway"
    """What Kubernetes does with a pod that would exceed `maxSkew`: `DoNotSchedule` leaves the pod pending, and
    `ScheduleAnyway` runs the pod, if possible on a node that reduces the difference."""
