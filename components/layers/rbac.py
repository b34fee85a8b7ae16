"""RBAC permissions of people in the Kubernetes cluster, which people get through groups."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import Field

from components.cluster.host_requirements import HostService
from components.kubernetes.manifest import Json
from components.platform.layer import Layer
from components.settings.errors import Finding
from components.settings.fields import DnsLabel
from components.settings.model import Model

ROLES = ("view", "edit", "admin", "cluster-admin")
"""Kubernetes' user-facing roles; each role includes the permissions of the roles before it."""
_EVERYWHERE = "*"


class GroupSettings(Model):
    """Settings of a group's permissions, which are Kubernetes' user-facing roles, such as `view` and `edit`."""

    cluster: Literal["view", "edit", "admin", "cluster-admin"] | None = None
    """Role of the group in the whole cluster. The role `cluster-admin` has all permissions."""
    namespaces: dict[DnsLabel, Literal["view", "edit", "admin"]] = Field(default_factory=dict)
    """Roles of the group in namespaces: namespace → role. If a namespace is created later, run `pulumi up` again to
    grant the role in the namespace."""


class RbacSettings(Model):
    """Settings of people's permissions in the Kubernetes cluster.

    The command `./homelab kubeconfig --user NAME` creates a kubeconfig for one person.
    """

    people: dict[DnsLabel, tuple[DnsLabel, ...]] = Field(default_factory=dict)
    """People by name. Each person has a list of groups."""
    groups: dict[DnsLabel, GroupSettings] = Field(default_factory=dict)
    """Groups by name. Each group has roles in the whole cluster or in namespaces."""

    def role_bindings(self) -> list[tuple[str, str, str]]:
        """Return all permissions as tuples (namespace, role, person).

        The namespace `*` means the whole cluster.
        """
        return sorted({
            (namespace, role, person)
            for person, groups in self.people.items()
            for group in groups
            for namespace, role in _roles(self.groups[group]).items()
        })  # fmt: skip


def _roles(group: GroupSettings) -> dict[str, str]:
    return {**({_EVERYWHERE: group.cluster} if group.cluster else {}), **group.namespaces}


class Rbac(Layer[RbacSettings]):
    """Layer for the RBAC roles of people, who get roles in namespaces or in the whole cluster through groups.

    A RoleBinding names people and not groups, so a person who is removed from the stack file loses all permissions at
    once. A script creates the RoleBindings, because Pulumi would fail for namespaces of apps that do not exist yet. The
    script skips such a namespace, and creates its RoleBindings in a later Pulumi run.
    """

    key = "rbac"
    settings_type = RbacSettings
    namespace = "kube-system"
    owns_namespace = False

    def values(self) -> Mapping[str, Json]:
        """Return no Helm values, because Kubernetes itself contains RBAC."""
        return {}

    def host_services(self) -> Sequence[HostService]:
        """Return the host service that creates the RoleBindings and ClusterRoleBindings.

        Every Pulumi run checks the RoleBindings for drift.
        """
        lines = (
            f"{space} homelab-{role}-{person} {role} {person}" for space, role, person in self.settings.role_bindings()
        )
        variables = {"RIGHTS": "\n".join(lines)}
        return [HostService("rights", "", ("rbac/apply.sh",), ("rbac/delete.sh",), "rbac/check.sh", variables)]

    def findings(self) -> Iterator[Finding]:
        """Yield errors: people without groups, unknown groups, groups without people, and roles that grant nothing."""
        groups, people = self.settings.groups, self.settings.people
        for person, memberships in people.items():
            if not memberships:
                yield ("people", person), "is in no group", "add a group, or remove the person"
            fix = f"use one of: {', '.join(groups)}" if groups else "define it under groups"
            for index, name in enumerate(memberships):
                if name not in groups:
                    yield ("people", person, index), "is not a group", fix
        for name, group in groups.items():
            if not any(name in memberships for memberships in people.values()):
                yield ("groups", name), "has no members", "add the group to a person under people, or remove the group"
            yield from _without_effect(name, group)


def _without_effect(name: str, group: GroupSettings) -> Iterator[Finding]:
    if not _roles(group):
        yield ("groups", name), "has no role", "set cluster or namespaces"
    for namespace, role in group.namespaces.items():
        if group.cluster and ROLES.index(role) <= ROLES.index(group.cluster):
            reason = f"grants nothing beyond cluster: {group.cluster}"
            yield ("groups", name, "namespaces", namespace), reason, "remove it"
