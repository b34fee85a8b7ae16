"""Security contexts of an app's pods, and the Pod Security level that the app's namespace needs for these pods."""

from collections.abc import Iterator

from components.app.settings import AppSettings
from components.kubernetes.manifest import Json
from components.settings.kubernetes_fields import ALL_CAPABILITIES

LEVELS = ("restricted", "baseline", "privileged")
"""Pod Security levels, from the strictest to the most permissive."""
_BASELINE_CAPABILITIES = {
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
    "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}  # fmt: skip
"""Capabilities that the Pod Security level `baseline` allows."""
RESTRICTED_CONTAINER = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": [ALL_CAPABILITIES]},
}
"""Security context of containers that homelab adds to an app, which the Pod Security level `restricted` allows."""


def allowed_levels(max_level: str) -> list[str]:
    """Return the Pod Security levels that are at most as permissive as `max_level`."""
    return list(LEVELS[: LEVELS.index(max_level) + 1])


def level(app: AppSettings) -> str:
    """Return the strictest Pod Security level that allows the app's pods."""
    return max((needed for _, needed in level_requirements(app)), key=LEVELS.index, default=LEVELS[0])


def level_requirements(app: AppSettings) -> Iterator[tuple[str, str]]:
    """Yield the path of each app setting that needs a more permissive Pod Security level than `restricted`, with the
    required level."""
    yield from _node_access(app)
    if app.pod_security:
        yield "podSecurity", app.pod_security
    if app.user == 0:
        yield "user", "baseline"
    if not _BASELINE_CAPABILITIES.issuperset(app.capabilities):
        yield "capabilities", "privileged"
    elif _escalates(app) or set(app.capabilities) - {"NET_BIND_SERVICE"}:
        yield "capabilities", "baseline"
    for name, volume in app.volumes.items():
        if volume.nfs:
            yield f"volumes.{name}.nfs", "baseline"
        if volume.host_path:
            yield f"volumes.{name}.hostPath", "privileged"


def _node_access(app: AppSettings) -> Iterator[tuple[str, str]]:
    for setting, is_set in (
        ("privileged", app.privileged),
        ("devices", app.devices),
        ("hostNetwork", app.host_network),
    ):
        if is_set:
            yield setting, "privileged"


def group(app: AppSettings) -> int:
    """Return the group ID of the app's containers."""
    return app.user if app.group is None else app.group


def pod_context(app: AppSettings) -> Json:
    """Return the security context of the app's pods."""
    additional = {"supplementalGroups": list(app.supplemental_groups)} if app.supplemental_groups else {}
    return user_context(app.user, group(app)) | additional


def user_context(user: int, group_id: int) -> dict[str, Json]:
    """Return the security context of a pod whose containers run with this user ID and group ID."""
    return {
        "runAsNonRoot": user != 0,
        "runAsUser": user,
        "runAsGroup": group_id,
        "fsGroup": group_id,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def app_container_context(app: AppSettings) -> Json:
    """Return the security context of the app's main container, which must be privileged to open a device."""
    return container_context(app, privileged=app.privileged or bool(app.devices))


def container_context(app: AppSettings, *, privileged: bool | None = None) -> Json:
    """Return the security context of one of the app's containers. If the parameter `privileged` is None, the app's
    setting `privileged` applies."""
    root = {"readOnlyRootFilesystem": not app.writable_root}
    if app.privileged if privileged is None else privileged:
        return {"privileged": True, **root}
    return {"allowPrivilegeEscalation": _escalates(app), **root, "capabilities": _capabilities(app)}


def _capabilities(app: AppSettings) -> Json:
    if ALL_CAPABILITIES in app.capabilities:
        # containerd applies `add: [ALL]` before `drop: [ALL]`, so `drop` would remove all capabilities again
        return {"add": [ALL_CAPABILITIES]}
    return {"drop": [ALL_CAPABILITIES], **({"add": list(app.capabilities)} if app.capabilities else {})}


def _escalates(app: AppSettings) -> bool:
    """Value of allowPrivilegeEscalation: whether a process may gain more privileges than its parent process."""
    # a non-root process gains capabilities only from file capabilities (setcap), which need allowPrivilegeEscalation
    # the API server rejects SYS_ADMIN and ALL unless allowPrivilegeEscalation is true
    return bool(app.capabilities) and (app.user != 0 or bool({"SYS_ADMIN", ALL_CAPABILITIES} & set(app.capabilities)))
