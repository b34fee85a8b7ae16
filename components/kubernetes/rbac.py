"""RBAC: bindings of users to ClusterRoles."""

from components.kubernetes.manifest import Manifest, Tree

GROUP = "rbac.authorization.k8s.io"


def binding(kind: str, user: Tree, role: str) -> dict[str, Tree]:
    """Return a ClusterRoleBinding or RoleBinding (`kind`) of one user to a ClusterRole, without its metadata."""
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": kind,
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": GROUP, "kind": "User", "name": user}],
    }


def cluster_role_binding(user: str, name: str, role: str) -> Manifest:
    """Return a ClusterRoleBinding of one user to a ClusterRole."""
    return {**binding("ClusterRoleBinding", user, role), "metadata": {"name": name}}
