"""RBAC objects that bind users to ClusterRoles."""

from components.kubernetes.manifest import Json, Manifest

API_GROUP = "rbac.authorization.k8s.io"


def binding(kind: str, user: Json, role: str) -> dict[str, Json]:
    """Return a ClusterRoleBinding or RoleBinding (`kind`) that grants a ClusterRole to one user, without `metadata`."""
    return {
        "apiVersion": f"{API_GROUP}/v1",
        "kind": kind,
        "roleRef": {"apiGroup": API_GROUP, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": API_GROUP, "kind": "User", "name": user}],
    }


def cluster_role_binding(user: str, name: str, role: str) -> Manifest:
    """Return a ClusterRoleBinding that grants a ClusterRole to one user."""
    return {**binding("ClusterRoleBinding", user, role), "metadata": {"name": name}}
