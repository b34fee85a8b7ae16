"""Validation of the labels and taints of nodes."""

import re

from components.settings.errors import setting_error

_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
RESERVED_LABELS = frozenset(
    f"{prefix}kubernetes.io/{name}"
    for prefix, name in (
        ("", "hostname"),
        ("", "arch"),
        ("", "os"),
        ("beta.", "arch"),
        ("beta.", "os"),
        ("beta.", "instance-type"),
        ("node.", "instance-type"),
        ("node-role.", "control-plane"),
        ("node-role.", "etcd"),
        ("node-role.", "master"),
    )
)
_OWNED_TAINTS = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")


def _is_label_key(value: str) -> bool:
    prefix, slash, name = value.rpartition("/")
    return bool(_NAME.fullmatch(name)) and (bool(_PREFIX.fullmatch(prefix)) if slash else True)


def label_key(value: str) -> str:
    """Validate the key of a label that the stack file sets on a node."""
    if selector_key(value) in RESERVED_LABELS:
        raise setting_error("is set by K3s itself", "remove it or use a label of your own")
    return value


def selector_key(value: str) -> str:
    """Validate the key of a label in a node selector.

    A node selector may contain labels that K3s itself sets on nodes.
    """
    if not _is_label_key(value):
        raise setting_error(
            "is not a valid label key", "write name or example.com/name, with at most 63 characters in the name"
        )
    return value


def label_value(value: str) -> str:
    """Validate the value of a node label, which may be empty."""
    if value and not _NAME.fullmatch(value):
        fix = "use at most 63 letters, digits, dots, dashes and underscores, with a letter or digit at both ends"
        raise setting_error("is not a valid label value", fix)
    return value


def taint(value: str) -> str:
    """Validate a node taint of the form `key=value:Effect` or `key:Effect`."""
    match = re.fullmatch(r"([^=:]+)(?:=([^=:]*))?:([A-Za-z]+)", value)
    if not match or not _is_label_key(match[1]) or (match[2] and not _NAME.fullmatch(match[2])):
        raise setting_error(
            "is not a valid taint", "write key=value:Effect or key:Effect, such as dedicated=storage:NoSchedule"
        )
    if match[3] not in TAINT_EFFECTS:
        raise setting_error("has an unknown effect", f"use one of: {', '.join(TAINT_EFFECTS)}")
    if match[1].startswith(_OWNED_TAINTS):
        raise setting_error("is a taint that Kubernetes sets and removes itself", "use a key of your own")
    return value
