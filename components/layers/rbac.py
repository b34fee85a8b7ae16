"""RBAC: what people may do in the cluster, by their groups."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import Field

from components.fields import HostLabel
from components.host import Service
from components.layer import Finding, Layer
from components.manifest import Tree
from components.model import Model

ROLES = ("view", "edit", "admin", "cluster-admin")
"""Kubernetes' own roles for people; each may do what those before it may."""
_EVERYWHERE = "*"


class GroupSettings(Model):
    """What the people of a group may do, by Kubernetes' own roles."""

    cluster: Literal["view", "edit", "admin", "cluster-admin"] | None = None
    """Their role in the whole cluster; `cluster-admin` may do anything."""
    namespaces: dict[HostLabel, Literal["view", "edit", "admin"]] = Field(default_factory=dict)
    """Their role in single namespaces. In one that is not there yet they have it after the next `pulumi up`."""


class RbacSettings(Model):
    """What people may do in the cluster. `./homelab kubeconfig --user NAME` lets one of them in."""

    people: dict[HostLabel, tuple[HostLabel, ...]] = Field(default_factory=dict)
    """People by name, each with their groups."""
    groups: dict[HostLabel, GroupSettings] = Field(default_factory=dict)
    """Groups by name, each with its roles."""

    def rights(self) -> list[tuple[str, str, str]]:
        """Return every right that someone has: namespace, `*` for all, role and person."""
        return sorted({
            (where, role, person)
            for person, groups in self.people.items()
            for group in groups
            for where, role in _roles(self.groups[group]).items()
        })  # fmt: skip


def _roles(group: GroupSettings) -> dict[str, str]:
    return {**({_EVERYWHERE: group.cluster} if group.cluster else {}), **group.namespaces}


class Rbac(Layer[RbacSettings]):
    """People and their groups, with roles in namespaces or in the whole cluster.

    Rights are bound to people, not to the groups in their certificates: who is taken out loses them at once.
    They are given by a script, since it is not for the lab to make the namespaces of apps.
    """

    key = "rbac"
    settings_type = RbacSettings
    namespace = "kube-system"
    own_namespace = False

    def values(self) -> Mapping[str, Tree]:
        """Return nothing: Kubernetes has it all."""
        return {}

    def services(self) -> Sequence[Service]:
        """Return the bindings, which are looked at on every run."""
        lines = (f"{where} homelab-{role}-{person} {role} {person}" for where, role, person in self.settings.rights())
        return [Service("rights", "", ("grant.sh",), ("revoke.sh",), "granted.sh", {"RIGHTS": "\n".join(lines)})]

    def problems(self) -> Iterator[Finding]:
        """Yield people without rights, groups without people, and roles that give nothing."""
        groups, people = self.settings.groups, self.settings.people
        for person, theirs in people.items():
            if not theirs:
                yield ("people", person), "is in no group", "name one, or leave the person out"
            for index, name in enumerate(theirs):
                if name not in groups:
                    yield ("people", person, index), "is not a group", f"use one of: {', '.join(groups) or 'none yet'}"
        for name, group in groups.items():
            if not any(name in theirs for theirs in people.values()):
                yield ("groups", name), "has no people", "put someone into it under people, or leave it out"
            yield from _without_effect(name, group)


def _without_effect(name: str, group: GroupSettings) -> Iterator[Finding]:
    if not _roles(group):
        yield ("groups", name), "gives no role", "set cluster, or namespaces"
    for namespace, role in group.namespaces.items():
        if group.cluster and ROLES.index(role) <= ROLES.index(group.cluster):
            reason = f"gives nothing beyond cluster: {group.cluster}"
            yield ("groups", name, "namespaces", namespace), reason, "leave it out"
