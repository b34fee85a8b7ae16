"""Validation of the paths of folders in which layers store data on machines."""

from typing import Annotated

from components.settings.errors import setting_error
from components.settings.fields import TextType
from components.settings.kubernetes_fields import ABSOLUTE_PATH

_FIX = "use a folder for data on a disk, such as /var/lib/longhorn or /srv/data"
_DELETED = "whose files the operating system deletes"
_SYSTEM = "which belongs to the operating system"
_K3S = "which belongs to K3s, and which homelab deletes together with K3s"
_UNUSABLE = {
    **dict.fromkeys(("/run", "/tmp", "/var/lock", "/var/run", "/var/tmp"), _DELETED),  # noqa: S108
    **dict.fromkeys(("/dev", "/proc", "/sys"), "which contains no files on a disk"),
    **dict.fromkeys(("/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/sbin", "/usr"), _SYSTEM),
    **dict.fromkeys(("/var/cache", "/var/lib/apt", "/var/lib/dpkg", "/var/lib/systemd", "/var/log"), _SYSTEM),
    **dict.fromkeys(("/var/lib/cni", "/var/lib/kubelet", "/var/lib/rancher/k3s"), _K3S),
}
_SHARED = ("/home", "/root", "/usr/local", "/var", "/var/lib", "/var/lib/rancher")
"""Folders that contain data of other programs, so that only their subfolders are free for a layer."""


_PROGRAMS = "which contains programs"
_OWN_FOLDERS = "/usr/local"
"""Folder of the administrator below /usr, in which the distribution installs nothing."""
_UNUSABLE |= {f"{_OWN_FOLDERS}/{name}": _PROGRAMS for name in ("bin", "etc", "include", "lib", "man", "sbin", "share")}


def data_folder(value: str) -> str:
    """Validate the absolute path of a folder for data, and return the path unchanged."""
    path = ABSOLUTE_PATH.check(value)
    if path in _SHARED:
        raise setting_error("contains the data of other programs", f"use a subfolder, such as {path}/data")
    for folder, reason in _UNUSABLE.items():
        if is_within(path, folder) and not (folder == "/usr" and is_within(path, _OWN_FOLDERS)):
            raise setting_error(f"is in {folder}, {reason}", _FIX)
    return path


def is_within(path: str, folder: str) -> bool:
    """Whether the absolute path is the folder, or is below the folder."""
    return path == folder or path.startswith(f"{folder}/")


DataFolder = Annotated[str, TextType("absolute path", data_folder, ABSOLUTE_PATH.pattern)]
