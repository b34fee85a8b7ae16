"""What an app's pods may do, and the Pod Security level of its namespace that follows from it."""

from collections.abc import Iterator

from components.app.kinds import ANY_CAPABILITY
from components.app.settings import AppSettings
from components.manifest import Tree

LEVELS = ("restricted", "baseline", "privileged")
"""Pod Security levels, each of which allows more than the one before it."""
_OF_BASELINE = {
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
    "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}  # fmt: skip
"""Capabilities that the level `baseline` allows."""


def up_to(most: str) -> list[str]:
    """Return the levels that allow no more than `most` does."""
    return list(LEVELS[: LEVELS.index(most) + 1])


def level(app: AppSettings) -> str:
    """Return the level that allows what the app needs, and no more."""
    return max((given for _, given in reasons(app)), key=LEVELS.index, default=LEVELS[0])


def reasons(app: AppSettings) -> Iterator[tuple[str, str]]:
    """Yield the settings that need more than `restricted`, and the level that allows each."""
    if app.privileged:
        yield "privileged", "privileged"
    if app.user == 0:
        yield "user", "baseline"
    if not _OF_BASELINE.issuperset(app.capabilities):
        yield "capabilities", "privileged"
    elif _escalates(app) or set(app.capabilities) - {"NET_BIND_SERVICE"}:
        yield "capabilities", "baseline"
    for name, volume in app.volumes.items():
        if volume.nfs:
            yield f"volumes.{name}.nfs", "baseline"
        if volume.host_path:
            yield f"volumes.{name}.hostPath", "privileged"


def group(app: AppSettings) -> int:
    """Return the ID of the group that its containers run as."""
    return app.user if app.group is None else app.group


def of_pod(app: AppSettings) -> Tree:
    """Return what a pod says of all its containers."""
    return {
        "runAsNonRoot": app.user != 0,
        "runAsUser": app.user,
        "runAsGroup": group(app),
        "fsGroup": group(app),
        "fsGroupChangePolicy": "OnRootMismatch",
        **({"supplementalGroups": list(app.supplemental_groups)} if app.supplemental_groups else {}),
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def of_container(app: AppSettings) -> Tree:
    """Return what a container says of itself."""
    files = {"readOnlyRootFilesystem": not app.writable_root}
    if app.privileged:
        return {"privileged": True, **files}
    return {"allowPrivilegeEscalation": _escalates(app), **files, "capabilities": _capabilities(app)}


def _capabilities(app: AppSettings) -> Tree:
    if ANY_CAPABILITY in app.capabilities:
        return {"add": [ANY_CAPABILITY]}  # containerd adds all first, then drops all: beside each other they are none
    return {"drop": [ANY_CAPABILITY], **({"add": list(app.capabilities)} if app.capabilities else {})}


def _escalates(app: AppSettings) -> bool:
    """Whether a program may get more rights than the one that starts it."""
    # who is not root gets a capability by a file that has it, which is such a program; and the API wants it for these
    return bool(app.capabilities) and (app.user != 0 or bool({"SYS_ADMIN", ANY_CAPABILITY} & set(app.capabilities)))
