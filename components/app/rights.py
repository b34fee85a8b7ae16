"""What app stacks may do in the cluster: make what apps are made of, in namespaces of apps, and nothing else."""

from collections.abc import Mapping, Sequence

from components.app.objects import metadata
from components.app.security import LEVELS, up_to
from components.app.settings import AppSettings
from components.manifest import Manifest, Tree

ROLE = "homelab:app"
"""ClusterRole of an app stack in the app's own namespace, and name of the RoleBinding there."""
EVERYWHERE = "homelab:apps"
"""ClusterRole of app stacks in the whole cluster, and name of its ClusterRoleBinding."""
POLICY = "homelab-apps"
USERS = "homelab:apps-"
"""What the names of their users begin with, those of earlier rotations too."""
RBAC = "rbac.authorization.k8s.io"
KINDS: Mapping[str, Sequence[str]] = {
    "": ("configmaps", "persistentvolumeclaims", "secrets", "services"),
    "apps": ("deployments", "statefulsets"),
    "argoproj.io": ("analysistemplates", "rollouts"),
    "autoscaling": ("horizontalpodautoscalers",),
    "barmancloud.cnpg.io": ("objectstores",),
    "batch": ("cronjobs", "jobs"),
    "external-secrets.io": ("externalsecrets",),
    "networking.k8s.io": ("ingresses", "networkpolicies"),
    "policy": ("poddisruptionbudgets",),
    "postgresql.cnpg.io": ("clusters", "databases", "poolers", "scheduledbackups"),
}
"""What apps are made of, by group, beside their namespace and the RoleBinding in it."""
_WATCHED: Mapping[str, Sequence[str]] = {"": ("endpoints", "events", "pods"), "apps": ("replicasets",)}
"""What Pulumi looks at while it waits for them."""
_READ = ("get", "list", "watch")
_APPLY = ("create", "patch")


def of_apps(user: str, most: str = LEVELS[0]) -> list[Manifest]:
    """Return the rights of the user whose kubeconfig app stacks have; `most` is the highest Pod Security level.

    RBAC gives rights in single namespaces or in all. To make an object it takes a right in all of them, which the
    policy restricts to namespaces of apps: an API server may learn of a new RoleBinding a moment after it was made.
    To read or delete an object it takes the RoleBinding of its namespace.
    """
    return [
        _role(EVERYWHERE, [
            _rule("", ["namespaces"], (*_APPLY, "delete", *_READ)),
            _rule(RBAC, ["rolebindings"], ["create"]),
            _rule(RBAC, ["rolebindings"], ["get", "patch"], ROLE),
            _rule(RBAC, ["clusterroles"], ["bind"], ROLE),
            *(_rule(group, kinds, _APPLY) for group, kinds in KINDS.items()),
        ]),
        _role(ROLE, [
            *(_rule(group, kinds, (*_APPLY, "delete", *_READ)) for group, kinds in KINDS.items()),
            *(_rule(group, kinds, _READ) for group, kinds in _WATCHED.items()),
        ]),
        bound(user, EVERYWHERE, EVERYWHERE),
        *_policy(up_to(most)),
    ]  # fmt: skip


def bound(user: str, name: str, role: str) -> Manifest:
    """Return a ClusterRoleBinding of a role to one user."""
    return {**_binding("ClusterRoleBinding", user, role), "metadata": {"name": name}}


def in_namespace(app: AppSettings, user: Tree) -> Manifest:
    """Return the RoleBinding by which the app's stack reads and deletes what is in the app's namespace."""
    # the lab writes another user into it when the kubeconfigs are rotated
    notes = {"pulumi.com/patchForce": "true"}
    return {**_binding("RoleBinding", user, ROLE), "metadata": metadata(app, ROLE, annotations=notes)}


def _binding(kind: str, user: Tree, role: str) -> Manifest:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user}],
    }


def _role(name: str, rules: Sequence[Tree]) -> Manifest:
    return {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": list(rules)}


def _rule(group: str, kinds: Sequence[str], verbs: Sequence[str], *names: str) -> dict[str, Tree]:
    rule = {"apiGroups": [group], "resources": list(kinds), "verbs": list(verbs)}
    return rule | ({"resourceNames": list(names)} if names else {})


def _policy(levels: Sequence[str]) -> list[Manifest]:
    """Refuse app stacks every namespace but those of apps, which take no pods that none of these levels allows."""
    written = {**KINDS, "": (*KINDS[""], "namespaces"), RBAC: ("rolebindings",)}
    operations = ["CREATE", "UPDATE", "DELETE"]
    rules = [
        {"apiGroups": [group], "apiVersions": ["*"], "operations": operations, "resources": list(kinds)}
        for group, kinds in written.items()
    ]
    namespaces = "request.resource.resource == 'namespaces'"
    validations = [
        f"!({namespaces}) || [object, oldObject].all(each, each == null || ({_is_app('each', levels)}))",
        f"{namespaces} || ({_is_app('namespaceObject', levels)})",
    ]
    message = (
        "app stacks may write to namespaces of apps only: the label app.kubernetes.io/name is the namespace's name, "
        f"pod-security.kubernetes.io/enforce is {' or '.join(levels)}, and its version is the latest"
    )
    # to such an address the whole cluster would send, whoever has it
    claims = "request.resource.resource != 'services' || object == null || !has(object.spec.externalIPs)"
    group = "admissionregistration.k8s.io/v1"
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": rules},
        "matchConditions": [{"name": "app-stacks", "expression": f"request.userInfo.username.startsWith('{USERS}')"}],
        "validations": [
            *({"expression": expression, "message": message} for expression in validations),
            {"expression": claims, "message": "app stacks may not give a Service externalIPs"},
        ],
    }
    named = {"metadata": {"name": POLICY}}
    binding = {"policyName": POLICY, "validationActions": ["Deny"]}
    return [
        {"apiVersion": group, "kind": "ValidatingAdmissionPolicy", **named, "spec": spec},
        {"apiVersion": group, "kind": "ValidatingAdmissionPolicyBinding", **named, "spec": binding},
    ]


def _is_app(namespace: str, levels: Sequence[str]) -> str:
    labels = f"{namespace}.metadata.labels"  # older versions of a level allow more than it does today
    return (
        f"has({labels}) && {labels}[?'app.kubernetes.io/name'].orValue('') == {namespace}.metadata.name"
        f" && {labels}[?'pod-security.kubernetes.io/enforce'].orValue('') in {list(levels)}"
        f" && {labels}[?'pod-security.kubernetes.io/enforce-version'].orValue('latest') == 'latest'"
    )
