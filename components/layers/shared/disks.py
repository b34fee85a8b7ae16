"""Checks of disks in the settings of layers.

Settings identify disks by persistent device names, such as names below /dev/disk/by-id.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from components.cluster.settings import ClusterSettings
from components.settings.errors import Finding, setting_error
from components.settings.fields import TextType

_DEVICE = "/dev/disk/by-(id|path)/[A-Za-z0-9._:+@-]+"


def _device(value: str) -> str:
    if not re.fullmatch(_DEVICE, value, re.ASCII):
        fix = "use a name listed by `ls /dev/disk/by-id/*`: names such as /dev/sda can change at a reboot"
        raise setting_error("is not a persistent name of a disk", fix)
    return value


Device = Annotated[str, TextType("device", _device, _DEVICE)]


def findings(cluster: ClusterSettings, devices: Mapping[str, Sequence[str]], *path: str) -> Iterator[Finding]:
    """Yield errors in `devices`, which maps node names to disks.

    `path` is the path of the setting below the layer's key.
    """
    names = [node.name for node in cluster.nodes]
    if not devices:
        yield path, "is empty", "add a node and its devices"
    for name, node_devices in devices.items():
        if name not in names:
            yield (*path, name), "is not a node of the cluster", "use a name from cluster.nodes"
        if not node_devices:
            yield (*path, name), "is empty", "add a device, or remove the node"
        if len(set(node_devices)) < len(node_devices):
            yield (*path, name), "lists a device twice", "list each device once"
