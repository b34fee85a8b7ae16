"""The task that applies the settings of `machine` to a machine: its steps, variables and secrets."""

from collections.abc import Mapping
from itertools import starmap

import pulumi

from components.cluster.machine_settings import MachineFileSettings, MachineSettings
from components.provider_resources import step

NEEDED_PACKAGES = (
    "ca-certificates", "curl", "haproxy", "iproute2", "iptables", "keepalived", "kmod", "nfs-common",
    "nfs-kernel-server", "open-iscsi", "openssl", "procps", "unzip", "zfsutils-linux",
)  # fmt: skip
"""apt packages that a lab or one of its layers can need. homelab never removes these packages from a machine."""

REBOOT = (
    step("cluster/wait-for-quorum.sh", on="server", when=["reboot", "member"]),
    step("cluster/wait-for-quorum.sh", on="server", when=["reboot", "member"], turn=True),
    step("cluster/drain.sh", on="server", when=["reboot", "member"], turn=True),
    step("node/reboot.sh", when=["reboot"], reboots=True),
)
"""Steps that reboot a machine in its turn if an earlier step has raised the flag `reboot`."""

CONFIGURE = (
    step("node/configure-machine.sh"),
    *REBOOT,
    step("node/configure-machine.sh", when=["reboot"]),
    step("cluster/uncordon.sh", on="server", when=["reboot", "member"]),
)


def variables(settings: MachineSettings) -> dict[str, str]:
    """Return the variables of the task. A setting that the stack file does not contain has no variable."""
    texts = {
        "TIMEZONE": settings.timezone or "",
        "TIME_SERVERS": " ".join(settings.time_servers),
        "DNS_SERVERS": " ".join(settings.dns_servers),
        "PACKAGES": " ".join(settings.packages),
        "SYSCTL": "\n".join(f"{name}={value}" for name, value in settings.sysctl.items()),
        "MODULES": " ".join(settings.kernel_modules),
        "PARAMETERS": " ".join(settings.kernel_parameters),
        "FILES": "".join(
            _file_entry(path, file, file.content) for path, file in settings.files.items() if file.content is not None
        ),
    }
    return {"NEEDED": " ".join(NEEDED_PACKAGES), **{name: text for name, text in texts.items() if text}}


def secrets(settings: MachineSettings) -> dict[str, pulumi.Input[str]]:
    """Return the secret variables of the task: the files with a secret content."""
    files = {path: file for path, file in settings.files.items() if file.content_from}
    contents = {path: file.content_from.resolve() for path, file in files.items() if file.content_from}

    def entries(resolved: Mapping[str, str]) -> str:
        return "".join(starmap(_file_entry, ((path, files[path], text) for path, text in resolved.items())))

    return {"SECRET_FILES": pulumi.Output.all(**contents).apply(entries)} if files else {}


def _file_entry(path: str, file: MachineFileSettings, content: str) -> str:
    """Render a file as a line with path, mode, owner, size in bytes and units, and then the content."""
    user, _, group = file.owner.partition(":")
    owner, size = f"{user}:{group or user}", len(content.encode())
    return " ".join((path, file.mode[-3:], owner, str(size), *file.restart)) + f"\n{content}\n"
