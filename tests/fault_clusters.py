"""Scripts that change the cluster, each with a cluster that is files of the machine: it outlives a script that is killed."""

from tests.faults import Scenario

CLUSTERS: list[Scenario] = []
