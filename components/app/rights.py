"""RBAC rules and a ValidatingAdmissionPolicy that restrict app stacks to the objects and namespaces of apps."""

from collections.abc import Mapping, Sequence

from components.app.objects import metadata
from components.app.security import LEVELS, allowed_levels
from components.app.service_account import READABLE_SUBRESOURCES, WRITABLE, cluster_readers
from components.app.service_account import ROLE as SERVICE_ACCOUNT_ROLE
from components.app.settings import AppSettings
from components.kubernetes import rbac
from components.kubernetes.manifest import Json, Manifest

NAMESPACE_ROLE = "homelab:app"
"""Name of the ClusterRole of an app stack in the app's namespace, and of its RoleBinding."""
CLUSTER_ROLE = "homelab:apps"
"""Name of the ClusterRole of app stacks in the whole cluster, and of its ClusterRoleBinding."""
ADMISSION_POLICY = "homelab-apps"
USER_PREFIX = "homelab:apps-"
"""Prefix of the user names of app stacks, in all rotations of their kubeconfig."""
_TRAEFIK = "traefik.io"
_ADDRESS_FIELDS = ("relabelings", "proxyUrl", "proxyFromEnvironment", "oauth2")
"""Fields of a PodMonitor's endpoint that make Prometheus connect to other addresses than the pod's."""
RESOURCES: Mapping[str, Sequence[str]] = {
    "": ("configmaps", "persistentvolumeclaims", "secrets", "serviceaccounts", "services"),
    "apps": ("deployments", "statefulsets"),
    "argoproj.io": ("analysistemplates", "rollouts"),
    "autoscaling": ("horizontalpodautoscalers",),
    "barmancloud.cnpg.io": ("objectstores",),
    "batch": ("cronjobs", "jobs"),
    "external-secrets.io": ("externalsecrets",),
    "monitoring.coreos.com": ("podmonitors", "prometheusrules"),
    "networking.k8s.io": ("ingresses", "networkpolicies"),
    "policy": ("poddisruptionbudgets",),
    "postgresql.cnpg.io": ("clusters", "databases", "poolers", "scheduledbackups"),
    _TRAEFIK: ("middlewares", "serverstransports"),
}
"""Resources of apps by API group, except their namespace, and the Role and RoleBindings in it."""
_WATCHED: Mapping[str, Sequence[str]] = {
    "": ("endpoints", "events", "pods"),
    "apps": ("controllerrevisions", "replicasets"),
    "cert-manager.io": ("certificates",),
}
"""Resources that Pulumi reads while it waits for the resources of apps, and that `./homelab app` reads."""
_READ = ("get", "list", "watch")
_APPLY = ("create", "patch")


def for_app_stacks(
    user: str, max_level: str = LEVELS[0], reserved: Sequence[str] = (), readers: Sequence[str] = ()
) -> list[Manifest]:
    """Return the RBAC objects and the ValidatingAdmissionPolicy that restrict app stacks. The parameter `max_level` is
    the most permissive Pod Security level that namespaces of apps may have.

    The parameter `reserved` lists the namespaces of all platform layers. It includes layers that are not installed,
    because an app stack must not create the namespace of a layer that you may enable later. The
    parameter `readers` lists the apps whose ServiceAccounts may read objects of all namespaces.

    An app stack creates a namespace and a RoleBinding, and then the app's objects. The RoleBinding takes effect only
    after a delay, so a ClusterRole lets app stacks create and patch objects in all namespaces. The
    ValidatingAdmissionPolicy rejects these requests in namespaces that do not belong to apps. To read or delete objects
    in a namespace, an app stack needs a RoleBinding in the same namespace.
    """
    return [
        _role(CLUSTER_ROLE, [
            _rule("", ["namespaces"], (*_APPLY, "delete", *_READ)),
            _rule(rbac.API_GROUP, ["rolebindings", "roles"], ["create"]),
            _rule(rbac.API_GROUP, ["rolebindings"], ["get", "patch"], NAMESPACE_ROLE, SERVICE_ACCOUNT_ROLE),
            # the admission policy limits what such a Role may allow
            _rule(rbac.API_GROUP, ["roles"], ["get", "patch", "escalate", "bind"], SERVICE_ACCOUNT_ROLE),
            _rule(rbac.API_GROUP, ["clusterroles"], ["bind"], NAMESPACE_ROLE),
            *(_rule(group, kinds, _APPLY) for group, kinds in RESOURCES.items()),
        ]),
        _role(NAMESPACE_ROLE, [
            *(_rule(group, kinds, (*_APPLY, "delete", *_READ)) for group, kinds in RESOURCES.items()),
            *(_rule(group, kinds, _READ) for group, kinds in _WATCHED.items()),
            _rule(rbac.API_GROUP, ["rolebindings", "roles"], ("delete", *_READ), SERVICE_ACCOUNT_ROLE),
            _rule("", ["pods/log"], ["get"]),
            _rule("", ["pods/exec"], ["create", "get"]),  # kubectl sends GET for WebSockets, and POST for SPDY
        ]),
        rbac.cluster_role_binding(user, CLUSTER_ROLE, CLUSTER_ROLE),
        *_policy(allowed_levels(max_level), sorted(set(reserved))),
        *cluster_readers(readers),
    ]  # fmt: skip


def role_binding(app: AppSettings, user: Json) -> Manifest:
    """Return the RoleBinding that lets the app's stack read and delete objects in the app's namespace."""
    # a task of the platform's stack also changes the RoleBinding's user, and then owns this field; with patchForce, the
    # app's stack overwrites the field
    annotations = {"pulumi.com/patchForce": "true"}
    return {
        **rbac.binding("RoleBinding", user, NAMESPACE_ROLE),
        "metadata": metadata(app, NAMESPACE_ROLE, annotations=annotations),
    }


def _role(name: str, rules: Sequence[Json]) -> Manifest:
    return {
        "apiVersion": f"{rbac.API_GROUP}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": list(rules),
    }


def _rule(group: str, kinds: Sequence[str], verbs: Sequence[str], *names: str) -> dict[str, Json]:
    rule = {"apiGroups": [group], "resources": list(kinds), "verbs": list(verbs)}
    return rule | ({"resourceNames": list(names)} if names else {})


def _policy(levels: Sequence[str], reserved: Sequence[str]) -> list[Manifest]:
    """Return the ValidatingAdmissionPolicy that restricts app stacks to namespaces of apps with a Pod Security level in
    `levels`.

    The namespaces in `reserved` belong to platform layers, so apps cannot use them.
    """
    resources = {**RESOURCES, "": (*RESOURCES[""], "namespaces"), rbac.API_GROUP: ("rolebindings", "roles")}
    operations = ["CREATE", "UPDATE", "DELETE"]
    rules = [
        {"apiGroups": [group], "apiVersions": ["*"], "operations": operations, "resources": list(kinds)}
        for group, kinds in resources.items()
    ]
    group = "admissionregistration.k8s.io/v1"
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": rules},
        "matchConditions": [
            {"name": "app-stacks", "expression": f"request.userInfo.username.startsWith('{USER_PREFIX}')"}
        ],
        "validations": _validations(levels, reserved),
    }
    name = {"metadata": {"name": ADMISSION_POLICY}}
    binding = {"policyName": ADMISSION_POLICY, "validationActions": ["Deny"]}
    return [
        {"apiVersion": group, "kind": "ValidatingAdmissionPolicy", **name, "spec": spec},
        {"apiVersion": group, "kind": "ValidatingAdmissionPolicyBinding", **name, "spec": binding},
    ]


def _validations(levels: Sequence[str], reserved: Sequence[str]) -> list[Json]:
    """Return the CEL expressions that a request of an app stack must satisfy, with the message of each refusal."""
    namespaces = "request.resource.resource == 'namespaces'"
    validations = [
        f"!({namespaces}) || [object, oldObject].all(each, each == null || ({_is_app('each', levels)}))",
        f"{namespaces} || ({_is_app('namespaceObject', levels)})",
    ]
    message = (
        "app stacks may write to namespaces of apps only: the label app.kubernetes.io/name must be the namespace's "
        f"name, pod-security.kubernetes.io/enforce must be {' or '.join(levels)}, and "
        "pod-security.kubernetes.io/enforce-version must be latest or missing"
    )
    # a Service with externalIPs could intercept the cluster's traffic to any address
    no_external_ips = "request.resource.resource != 'services' || object == null || !has(object.spec.externalIPs)"
    # NetworkPolicies let Prometheus connect to pods of all namespaces, so a PodMonitor must not select other targets
    # than the app's pods: relabelings, a proxy or OAuth 2.0 could contain any address
    own_targets = (
        "request.resource.resource != 'podmonitors' || object == null || !has(object.spec.namespaceSelector) && "
        "(!has(object.spec.podMetricsEndpoints) || object.spec.podMetricsEndpoints.all(each, "
        f"{' && '.join(f'!has(each.{field})' for field in _ADDRESS_FIELDS)}))"
    )
    # Traefik identifies a Middleware by NAMESPACE-NAME, so a Middleware `c` in the namespace `a-b` could replace the
    # Middleware `b-c` in the namespace `a`
    own_names = (
        f"request.resource.group != '{_TRAEFIK}' || object == null || "
        "object.metadata.name.startsWith(namespaceObject.metadata.name + '-')"
    )
    return [
        *({"expression": expression, "message": message} for expression in validations),
        *_reserved_namespaces(namespaces, reserved),
        {"expression": own_names, "message": "app stacks must name Traefik objects NAMESPACE-NAME"},
        {"expression": no_external_ips, "message": "app stacks may not set externalIPs of a Service"},
        {"expression": _role_rules(), "message": "app stacks may let an app change only pods and what pods use"},
        {"expression": own_targets, "message": "app stacks may let Prometheus scrape only pods of their namespace"},
    ]


def _role_rules() -> str:
    """Return the CEL expression that a Role of an app's ServiceAccount must satisfy.

    The admission policy does not apply to ServiceAccounts, so an app must not change objects that the policy restricts,
    such as Services.
    """
    readable = f"!r.contains('*') && (!r.contains('/') || r in {list(READABLE_SUBRESOURCES)})"
    reads = (
        f"rule.verbs.all(v, v in {list(_READ)}) && rule.resources.all(r, {readable}) && rule.apiGroups.all(g, g != '*')"
    )
    writes = (
        "rule.verbs.all(v, v != '*')"
        f" && rule.apiGroups.all(g, rule.resources.all(r, (g + '/' + r) in {list(WRITABLE)}))"
    )
    return (
        "request.resource.resource != 'roles' || object == null || !has(object.rules) || object.rules.all(rule, "
        f"!has(rule.nonResourceURLs) && has(rule.apiGroups) && has(rule.resources) && ({reads} || {writes}))"
    )


def _reserved_namespaces(is_namespace: str, names: Sequence[str]) -> list[Json]:
    if not names:
        return []
    # if an app used a layer's namespace before the layer is installed, the app's RoleBinding would give app stacks
    # access to the layer's Secrets
    expression = (
        f"!({is_namespace} ? object != null && object.metadata.name in {list(names)}"
        f" : namespaceObject.metadata.name in {list(names)})"
    )
    return [{"expression": expression, "message": "app stacks may not use the namespaces of the platform's layers"}]


def _is_app(namespace: str, levels: Sequence[str]) -> str:
    labels = f"{namespace}.metadata.labels"  # an older version of a Pod Security level allows more
    return (
        f"has({labels}) && {labels}[?'app.kubernetes.io/name'].orValue('') == {namespace}.metadata.name"
        f" && {labels}[?'pod-security.kubernetes.io/enforce'].orValue('') in {list(levels)}"
        f" && {labels}[?'pod-security.kubernetes.io/enforce-version'].orValue('latest') == 'latest'"
    )
