"""Images of the servers and programs that homelab adds to apps."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AppImages:
    """Images whose settings name no image."""

    mariadb: str
    restic: str
    valkey: str
