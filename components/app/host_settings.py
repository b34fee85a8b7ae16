"""Settings of an app's access to its nodes: devices and GPUs."""

from typing import Annotated, Literal

from components.settings.fields import DnsLabel, PositiveInt, StrictBool
from components.settings.kubernetes_fields import AbsolutePath, matching
from components.settings.model import Model

DevicePath = Annotated[
    str,
    matching(
        "path below /dev",
        r"/dev(/(?!\.{1,2}(/|$))[A-Za-z0-9._:@+-]+)+",
        "write a path such as /dev/ttyUSB0, without a slash at the end",
    ),
]
DEVICE_FOLDERS = ("/dev/bus/usb", "/dev/dri", "/dev/dvb", "/dev/input", "/dev/snd")
"""Paths whose default `type` is Directory."""


class AppDeviceSettings(Model):
    """A device of a node that the app's main container can open, such as a USB stick.

    Kubernetes gives a container a device only if the container is privileged.
    """

    path: DevicePath
    """Path of the device on the node, such as /dev/serial/by-id/usb-0001-if00 or /dev/dri. The device must exist."""
    mount_path: AbsolutePath | None = None
    """Path of the device in the container. Default: the value of `path`."""
    node: DnsLabel | None = None
    """Name of the node that has the device. Kubernetes runs the app's pods only on this node. Default: none, so the
    app's setting `nodes` must select the nodes that have the device."""
    type: Literal["CharDevice", "BlockDevice", "Directory"] | None = None
    """Type of the hostPath volume for the device: a character device, a block device, or a folder of devices. Default:
    `Directory` for /dev/bus/usb, /dev/dri, /dev/dvb, /dev/input and /dev/snd, and `CharDevice` for all other paths."""
    shared: StrictBool = False
    """Whether several pods may use the device at the same time, which most graphics cards support."""

    @property
    def host_path_type(self) -> str:
        """Type of the hostPath volume, which Kubernetes checks before it starts a pod."""
        return self.type or ("Directory" if self.path in DEVICE_FOLDERS else "CharDevice")

    @property
    def container_path(self) -> str:
        """Path of the device in the container."""
        return self.mount_path or self.path


class AppGpuSettings(Model):
    """GPUs that the app's main container requests from the vendor's device plugin."""

    vendor: Literal["nvidia", "intel", "amd"] = "nvidia"
    """Vendor of the GPU. GPUs of `nvidia` need the platform's layer `gpu`. GPUs of `intel` and `amd` need the vendor's
    device plugin for Kubernetes, which you install yourself."""
    count: PositiveInt = 1
    """Number of GPUs of each pod. If the device plugin divides a GPU into shares for several pods, `count` is a number
    of shares."""
