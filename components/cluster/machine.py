"""The task that applies the settings of `machine` to a machine: its steps, variables and secrets."""

from collections.abc import Iterator, Mapping, Sequence

import pulumi

from components.cluster.machine_settings import MachineMountSettings, MachineSettings
from components.cluster.reboot import REBOOT
from components.provider_resources import step

NEEDED_PACKAGES = (
    "ca-certificates", "curl", "dbus", "haproxy", "iproute2", "iptables", "keepalived", "kmod", "nfs-common",
    "nfs-kernel-server", "open-iscsi", "openssl", "procps", "unzip", "zfsutils-linux",
)  # fmt: skip
"""apt packages that a lab or one of its layers can need. homelab never removes these packages from a machine."""

K3S_DATA = "/var/lib/rancher/k3s"
"""Folder of K3s' data, on which a disk or another folder can be mounted before K3s is installed."""
CREDENTIALS = "/etc/homelab/credentials"
"""Folder of the files with the credentials of mounts."""

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
        "PACKAGES": " ".join(dict.fromkeys((*settings.packages, *_packages(settings)))),
        "SYSCTL": "\n".join(f"{name}={value}" for name, value in settings.sysctl.items()),
        "MODULES": " ".join(settings.kernel_modules),
        "PARAMETERS": " ".join(settings.kernel_parameters),
        "DISKS": "\n".join(
            f"{path} {mount_unit(path)} {disk.device or f'UUID={disk.uuid}'}" for path, disk in settings.disks.items()
        ),
        "FILES": "".join(_files(settings)),
    }
    return {"NEEDED": " ".join(NEEDED_PACKAGES), **{name: text for name, text in texts.items() if text}}


def secrets(settings: MachineSettings) -> dict[str, pulumi.Input[str]]:
    """Return the secret variables of the task: files whose content is a secret, and credentials of mounts."""
    contents = {path: file.content_from.resolve() for path, file in settings.files.items() if file.content_from}
    contents |= {path: mount.password.resolve() for path, mount in settings.mounts.items() if mount.password}

    def entries(resolved: Mapping[str, str]) -> str:
        return "".join(_secret_file(settings, path, text) for path, text in resolved.items())

    return {"SECRET_FILES": pulumi.Output.all(**contents).apply(entries)} if contents else {}


def mount_unit(path: str) -> str:
    """Return the name of the systemd unit that mounts a file system on `path`, as `systemd-escape` does."""
    name = path.strip("/").replace("-", r"\x2d").replace("/", "-")
    return (rf"\x2e{name[1:]}" if name.startswith(".") else name) + ".mount"


def _packages(settings: MachineSettings) -> list[str]:
    """Return the apt packages that `mounts` and `unattendedUpgrades` need."""
    clients = {"nfs": ["nfs-common"], "cifs": ["cifs-utils"], "bind": []}
    upgrades = ["unattended-upgrades"] if settings.unattended_upgrades else []
    return [*(name for mount in settings.mounts.values() for name in clients[mount.type]), *upgrades]


def _files(settings: MachineSettings) -> Iterator[str]:
    """Yield the entries of all files without secrets."""
    for path, file in settings.files.items():
        if file.content is not None:
            yield _entry("files", path, file.content, mode=file.mode, owner=file.owner, units=file.restart)
    for path, mount in settings.mounts.items():
        unit = mount_unit(path)
        yield _entry("mounts", f"/etc/systemd/system/{unit}", _mount_text(path, mount), units=(unit,))
    if K3S_DATA in (*settings.mounts, *settings.disks):
        text = f"# homelab: K3s does not start without its data\n[Unit]\nRequiresMountsFor={K3S_DATA}\n"
        for unit in ("k3s", "k3s-agent"):
            yield _entry("mounts", f"/etc/systemd/system/{unit}.service.d/50-homelab-data.conf", text)
    if settings.watchdog is not None:
        text = f"# homelab: machine.watchdog\n[Manager]\nRuntimeWatchdogSec={settings.watchdog}\n"
        yield _entry("watchdog", "/etc/systemd/system.conf.d/50-homelab.conf", text, units=("daemon-reexec",))
    if settings.unattended_upgrades is not None:
        value = int(settings.unattended_upgrades)
        text = (
            "// homelab: machine.unattendedUpgrades\n"
            f'APT::Periodic::Update-Package-Lists "{value}";\nAPT::Periodic::Unattended-Upgrade "{value}";\n'
            'Unattended-Upgrade::Automatic-Reboot "false";\n'
        )
        yield _entry("unattendedUpgrades", "/etc/apt/apt.conf.d/60-homelab", text)


def _mount_text(path: str, mount: MachineMountSettings) -> str:
    """Return the systemd unit that mounts a file system."""
    if mount.type == "bind":
        return (
            f"# homelab: machine.mounts\n[Unit]\nRequiresMountsFor={mount.device}\n\n"
            f"[Mount]\nWhat={mount.device}\nWhere={path}\nType=none\nOptions={','.join(('bind', *mount.options))}\n\n"
            "[Install]\nWantedBy=local-fs.target\n"
        )
    credentials = [f"credentials={CREDENTIALS}{path}"] if mount.password else []
    options = ",".join(("nofail", "_netdev", *mount.options, *credentials))
    return (
        "# homelab: machine.mounts\n[Unit]\nAfter=network-online.target\nWants=network-online.target\n\n"
        f"[Mount]\nWhat={mount.device}\nWhere={path}\nType={mount.type}\nOptions={options}\n\n"
        "[Install]\nWantedBy=remote-fs.target\n"
    )


def _secret_file(settings: MachineSettings, path: str, value: str) -> str:
    """Return the entry of a file whose content is a secret, or of the file with the credentials of a mount."""
    if path in settings.files:
        file = settings.files[path]
        return _entry("files", path, value, mode=file.mode, owner=file.owner, units=file.restart)
    text = f"username={settings.mounts[path].username}\npassword={value.strip()}\n"
    return _entry("mounts", f"{CREDENTIALS}{path}", text, mode="600", units=(mount_unit(path),))


def _entry(
    key: str, path: str, content: str, *, mode: str = "644", owner: str = "root", units: Sequence[str] = ()
) -> str:
    """Render a file as one line with its key, path, mode, owner, size in bytes and systemd units, followed by its
    content."""
    user, _, group = owner.partition(":")
    size = len(content.encode())
    return " ".join((key, path, mode[-3:], f"{user}:{group or user}", str(size), *units)) + f"\n{content}\n"
