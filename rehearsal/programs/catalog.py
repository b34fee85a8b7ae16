"""Every program of the platform and of apps that is built here."""

from rehearsal.programs import argocd, barman_cloud, cert_manager, cloudnative_pg, metallb, postgres, traefik, valkey

PROGRAMS = tuple(
    module.PROGRAM
    for module in (argocd, barman_cloud, cert_manager, cloudnative_pg, metallb, postgres, traefik, valkey)
)
