"""Settings of the machines' operating system, from the keys `machine` of the cluster and of its nodes."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from components.cluster.machine_commands import MachineCommandSettings
from components.settings.errors import setting_error
from components.settings.fields import Address, DnsLabel, Host, StrictBool, Text
from components.settings.kubernetes_fields import AbsolutePath, MultilineText, TimeZone, matching
from components.settings.model import Model, SecretRef

PackageName = Annotated[
    str, matching("package name", "[a-z0-9][a-z0-9.+-]+", "write the name that apt-get installs, such as nfs-common")
]
SysctlName = Annotated[
    str,
    matching(
        "sysctl",
        r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_/@:-]+)+",
        "write the name that `sysctl -a` prints, such as vm.swappiness",
    ),
]
ModuleName = Annotated[
    str, matching("kernel module", "[A-Za-z0-9][A-Za-z0-9_-]*", "write the name that `lsmod` prints, such as i2c_dev")
]
KernelParameter = Annotated[
    str,
    matching(
        "kernel parameter",
        r"[A-Za-z0-9][A-Za-z0-9_.-]*(=[A-Za-z0-9_.,:;@/%+=-]+)?",
        "write one parameter as in /proc/cmdline, without spaces and quotes, such as pcie_aspm=off",
    ),
]
MountDevice = Annotated[
    str, matching("file system", r"[A-Za-z0-9._:/@$\[\]-]+", "write nas.lan:/export/media or //nas.lan/media")
]
MountOption = Annotated[
    str, matching("mount option", r"[A-Za-z0-9_.:/@+-]+(=[A-Za-z0-9_.:/@+-]+)?", "write one option, such as vers=4.2")
]
MountUser = Annotated[str, matching("user name", r"[A-Za-z0-9_.@-]+", "use letters, digits, dots, dashes and @")]
_DEVICE = "/dev/disk/by-(id|path)/[A-Za-z0-9._:+@-]+"
Device = Annotated[
    str,
    matching("persistent disk name", _DEVICE, "use a name listed by `ls /dev/disk/by-id/*`, which no reboot changes"),
]
FileSystemUuid = Annotated[
    str,
    matching("UUID", "[0-9A-Fa-f]{4}[0-9A-Fa-f-]*", "write the UUID that `lsblk -o NAME,UUID` prints on the machine"),
]
WatchdogSeconds = Annotated[int, Field(strict=True, ge=5, le=300)]
FileMode = Annotated[
    str, matching("file mode", "0?[0-7]{3}", 'write three octal digits after a zero, in quotes, such as "0644"')
]
_USER = "[a-z_][a-z0-9_.-]{0,31}"
FileOwner = Annotated[
    str,
    matching("user:group", rf"{_USER}(:{_USER})?", "write user or user:group, such as root:adm"),
]
SystemdUnit = Annotated[
    str,
    matching(
        "systemd unit", r"[A-Za-z0-9][A-Za-z0-9:_.@-]*", "write the name of a unit, such as smartmontools.service"
    ),
]


def _sysctl_value(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise setting_error("must be text or a whole number", "write the value that `sysctl -n` prints, such as 10")
    text = str(value)
    if not text.isprintable() or not text.strip() or re.search("  |^ | $", text):
        raise setting_error(
            "must be one line without spaces at its start and end",
            'separate several numbers by one space each, such as "4096 87380"',
        )
    return text


class SysctlValueType:
    """Type of the value of a sysctl: text or a whole number."""

    name = "text or number"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(_sysctl_value)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, {"type": "integer"}]}


SysctlValue = Annotated[str, SysctlValueType()]


class MachineFileSettings(Model):
    """A file on the machine."""

    content: MultilineText | None = None
    """Content of the file. Set either `content` or `contentFrom`, not both."""
    content_from: SecretRef | None = None
    """Pulumi secret that contains the content of the file. Set either `contentFrom` or `content`, not both."""
    mode: FileMode = "0644"
    """Permissions of the file as octal digits, in quotes. Give a file with a secret the mode `"0600"`."""
    owner: FileOwner = "root"
    """Owner of the file, as `user` or `user:group`. Default: user root and group root."""
    restart: tuple[SystemdUnit, ...] = ()
    """systemd units that homelab restarts after it changed the file."""


class MachineMountSettings(Model):
    """A network file system that the machine mounts, or a folder of the machine that appears at a second path."""

    type: Literal["nfs", "cifs", "bind"]
    """Type of the file system: `nfs`, `cifs` for SMB shares, or `bind` for a folder of the machine."""
    device: MountDevice
    """Server and folder: `nas.lan:/export/media` for NFS, or `//nas.lan/media` for CIFS. For `bind`, the path of the
    folder, which homelab creates."""
    options: tuple[MountOption, ...] = ()
    """Mount options. homelab adds `nofail` and `_netdev`, so that the machine also boots while the server is
    unreachable."""
    username: MountUser | None = None
    """User name for CIFS."""
    password: SecretRef | None = None
    """Pulumi secret that contains the password for CIFS. homelab stores it in a file that only root can read."""


class MachineDiskSettings(Model):
    """A data disk of the machine. Set either `device` or `uuid`, not both."""

    device: Device | None = None
    """Name below `/dev/disk/by-id` of an empty disk or partition, on which homelab creates an ext4 file system. homelab
    refuses a disk that is not empty."""
    uuid: FileSystemUuid | None = None
    """UUID of an existing file system, which homelab mounts and never formats."""


class MachineSettings(Model):
    """Settings of the machines' operating system.

    If you remove a key, homelab restores the previous state of the machine. homelab merges a node's `machine` into the
    cluster's `machine`: it appends the node's lists, except `timeServers` and `dnsServers`, to the cluster's lists, and
    all other values of the node override the cluster's values.
    """

    timezone: TimeZone | None = None
    """Time zone of the machine, such as Europe/Berlin."""
    time_servers: tuple[Host, ...] = ()
    """NTP servers of the machine's time service, which is systemd-timesyncd or chrony. A node's list replaces the
    cluster's list."""
    dns_servers: tuple[Address, ...] = ()
    """IP addresses of the machine's DNS servers, at most three. A node's list replaces the cluster's list."""
    packages: tuple[PackageName, ...] = ()
    """apt packages to install in addition to the packages that homelab needs."""
    sysctl: dict[SysctlName, SysctlValue] = Field(default_factory=dict)
    """Kernel parameters to set at run time (sysctl): name → value."""
    kernel_modules: tuple[ModuleName, ...] = ()
    """Kernel modules to load now and at every boot."""
    kernel_parameters: tuple[KernelParameter, ...] = ()
    """Parameters to add to the kernel command line. homelab reboots the machine to apply a change: it drains the node,
    and reboots one server at a time."""
    files: dict[AbsolutePath, MachineFileSettings] = Field(default_factory=dict)
    """Files on the machine: path → file."""
    mounts: dict[AbsolutePath, MachineMountSettings] = Field(default_factory=dict)
    """File systems to mount at every boot: folder on the machine → file system. homelab installs the client."""
    disks: dict[AbsolutePath, MachineDiskSettings] = Field(default_factory=dict)
    """Data disks to mount at every boot: folder on the machine → disk."""
    commands: dict[DnsLabel, MachineCommandSettings] = Field(default_factory=dict)
    """Your own scripts, in the order of their names: name → command."""
    watchdog: WatchdogSeconds | None = None
    """Seconds after which the machine's hardware watchdog resets a machine that hangs (`RuntimeWatchdogSec` of
    systemd)."""
    unattended_upgrades: StrictBool | None = None
    """Whether the distribution's unattended-upgrades installs security updates. It never reboots a machine. Default:
    homelab does not change the machine's setting."""
    package_upgrade: Text | None = None
    """Text of your choice, such as the month. Each new text upgrades the machine's packages once at the next `pulumi
    up`, and reboots the machine if it needs a reboot: one server at a time, after a drain."""


_REPLACED = ("time_servers", "dns_servers")


def merge_machine(common: MachineSettings, own: MachineSettings) -> MachineSettings:
    """Return the settings in `common`, with the additions and overrides in `own`."""
    merged: dict[str, Any] = {}
    for name in MachineSettings.model_fields:
        shared, value = getattr(common, name), getattr(own, name)
        if isinstance(value, dict):
            merged[name] = {**shared, **value}
        elif isinstance(value, tuple) and name not in _REPLACED:
            merged[name] = tuple(dict.fromkeys((*shared, *value)))
        else:
            merged[name] = shared if value in (None, ()) else value
    return common.model_copy(update=merged)
