"""Disks of machines, by names that stay theirs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from components.fields import Kind
from components.lab import ClusterSettings
from components.layer import Finding
from components.wrong import wrong

_DEVICE = "/dev/disk/by-(id|path)/[A-Za-z0-9._:+@-]+"


def _device(value: str) -> str:
    if not re.fullmatch(_DEVICE, value, re.ASCII):
        fix = (
            "use a name below /dev/disk/by-id, as `ls -l /dev/disk/by-id` shows them: /dev/sda may be another tomorrow"
        )
        raise wrong("is not a lasting name of a disk", fix)
    return value


Device = Annotated[str, Kind("device", _device, _DEVICE)]


def problems(cluster: ClusterSettings, devices: Mapping[str, Sequence[str]], *place: str) -> Iterator[Finding]:
    """Yield what is wrong with devices by node, which stand at `place` below the layer's key."""
    names = [node.name for node in cluster.nodes]
    if not devices:
        yield place, "names no machine", "name a node and its devices"
    for name, given in devices.items():
        if name not in names:
            yield (*place, name), "is no node of the cluster", "use a name that stands in cluster.nodes"
        if not given:
            yield (*place, name), "names no device", "name at least one, or leave the machine out"
        if len(set(given)) < len(given):
            yield (*place, name), "names a device twice", "name each device once"
