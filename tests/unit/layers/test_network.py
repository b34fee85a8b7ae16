"""What MetalLB, Traefik and cert-manager have in common."""

import pytest

from components.layers.metallb.layer import MetalLB
from components.layers.traefik.layer import Traefik
from components.platform.layer import LabContext
from tests.support.layer_fixtures import PEER, POOL, lab, values


def monitored(found: LabContext) -> LabContext:
    return LabContext(found.cluster, {**found.layers, "monitoring": next(iter(found.layers.values()))})


@pytest.mark.parametrize(("name", "replicas"), [("three-servers", 2), ("one-server", 1)])
def test_copies_and_disruption_budgets_follow_the_machines(name: str, replicas: int) -> None:
    found = lab(name, certManager={}, traefik={})
    manager, traefik = values("certManager", found), values("traefik", found)
    assert traefik["deployment"] == {"replicas": replicas}
    assert traefik["podDisruptionBudget"]["enabled"] is (replicas > 1)
    for part in (manager, manager["webhook"], manager["cainjector"]):
        assert part["replicaCount"] == replicas
        assert part["podDisruptionBudget"]["enabled"] is (replicas > 1)


def test_monitors_are_on_where_something_reads_them() -> None:
    bgp = {"asn": 64512, "peers": [PEER]}
    for on in (False, True):
        found = lab(metallb=POOL | {"bgp": bgp}, certManager={}, traefik={})
        found = monitored(found) if on else found
        metallb, manager, traefik = (values(key, found) for key in ("metallb", "certManager", "traefik"))
        monitors = [metallb["prometheus"], metallb["frr-k8s"]["prometheus"], traefik["metrics"]["prometheus"]]
        assert {each["serviceMonitor"]["enabled"] for each in monitors} == {on}
        assert manager["prometheus"]["servicemonitor"] == {"enabled": on}


def test_layers_say_what_they_stand_in_for() -> None:
    assert MetalLB.replaces_packaged == ("servicelb",)
    assert Traefik.replaces_packaged == Traefik.charts_with_crds_folder == ("traefik",)
    assert MetalLB.pod_security == "privileged"
