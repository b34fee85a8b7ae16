"""The programs of the platform and of apps that the rehearsal builds."""

from rehearsal.programs import (
    Program,
    argocd,
    barman_cloud,
    cert_manager,
    cloudnative_pg,
    frr,
    mariadb,
    metallb,
    postgres,
    restic,
    traefik,
    valkey,
)
from stacks.homelab import chart_values_of
from stacks.settings import LabStack

PROGRAMS = tuple(
    module.PROGRAM
    for module in (
        argocd,
        barman_cloud,
        cert_manager,
        cloudnative_pg,
        frr,
        mariadb,
        metallb,
        postgres,
        restic,
        traefik,
        valkey,
    )
)


def programs_for(settings: LabStack) -> tuple[Program, ...]:
    """Return the programs that a stack file may need: FRR only if the Helm values of MetalLB enable frr-k8s."""
    mode = chart_values_of(settings).get("metallb", {}).get("frrk8s")
    with_frr = isinstance(mode, dict) and mode.get("enabled") is True
    return tuple(program for program in PROGRAMS if with_frr or program is not frr.PROGRAM)
