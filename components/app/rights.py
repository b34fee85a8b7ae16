"""RBAC rules and a ValidatingAdmissionPolicy that restrict app stacks to the objects and namespaces of apps."""

from collections.abc import Mapping, Sequence

from components.app.objects import metadata
from components.app.security import LEVELS, allowed_levels
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
    "": ("configmaps", "persistentvolumeclaims", "secrets", "services"),
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
"""Resources of apps by API group, except their namespace and its RoleBinding."""
_WATCHED: Mapping[str, Sequence[str]] = {
    "": ("endpoints", "events", "pods"),
    "apps": ("controllerrevisions", "replicasets"),
    "cert-manager.io": ("certificates",),
}
"""Resources that Pulumi reads while it waits for the resources of apps, and that `./homelab app` reads."""
_READ = ("get", "list", "watch")
_APPLY = ("create", "patch")


def for_app_stacks(user: str, max_level: str = LEVELS[0], reserved: Sequence[str] = ()) -> list[Manifest]:
    """Return the RBAC objects and the ValidatingAdmissionPolicy that restrict app stacks. The parameter `max_level` is
    the most permissive Pod Security level that namespaces of apps may have.

    The parameter `reserved` lists the namespaces of all platform layers. It includes layers that are not installed,
    because an app stack must not create the namespace of a layer that you may enable later.

    An app stack creates a namespace and a RoleBinding, and then the app's objects. The RoleBinding takes effect only
    after a delay, so a ClusterRole lets app stacks create and patch objects in all namespaces. The
    ValidatingAdmissionPolicy rejects these requests in namespaces that do not belong to apps. To read or delete objects
    in a namespace, an app stack needs a RoleBinding in the same namespace.
    """
    return [
        _role(CLUSTER_ROLE, [
            _rule("", ["namespaces"], (*_APPLY, "delete", *_READ)),
            _rule(rbac.API_GROUP, ["rolebindings"], ["create"]),
            _rule(rbac.API_GROUP, ["rolebindings"], ["get", "patch"], NAMESPACE_ROLE),
            _rule(rbac.API_GROUP, ["clusterroles"], ["bind"], NAMESPACE_ROLE),
            *(_rule(group, kinds, _APPLY) for group, kinds in RESOURCES.items()),
        ]),
        _role(NAMESPACE_ROLE, [
            *(_rule(group, kinds, (*_APPLY, "delete", *_READ)) for group, kinds in RESOURCES.items()),
            *(_rule(group, kinds, _READ) for group, kinds in _WATCHED.items()),
            _rule("", ["pods/log"], ["get"]),
            _rule("", ["pods/exec"], ["create", "get"]),  # kubectl sends GET for WebSockets, and POST for SPDY
        ]),
        rbac.cluster_role_binding(user, CLUSTER_ROLE, CLUSTER_ROLE),
        *_policy(allowed_levels(max_level), sorted(set(reserved))),
    ]  # fmt: skip


def role_binding(app: AppSettings, user: Json) -> Manifest:
    """Return the RoleBinding that lets the app's stack read and delete objects in the app's namespace."""
    # patchForce lets the app's stack overwrite the RoleBinding's user, which the platform's stack changed last
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
    resources = {**RESOURCES, "": (*RESOURCES[""], "namespaces"), rbac.API_GROUP: ("rolebindings",)}
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
        "app stacks may write to namespaces of apps only: the label app.kubernetes.io/name is the namespace's name, "
        f"pod-security.kubernetes.io/enforce is {' or '.join(levels)}, and its version is the latest"
    )
    # a Service with externalIPs could intercept the cluster's traffic to any address
    no_external_ips = "request.resource.resource != 'services' || object == null || !has(object.spec.externalIPs)"
    # Prometheus may connect to pods of all namespaces: relabelings, a proxy or OAuth 2.0 could give it any address
    own_targets = (
        "request.resource.resource != 'podmonitors' || object == null || !has(object.spec.namespaceSelector) && "
        "(!has(object.spec.podMetricsEndpoints) || object.spec.podMetricsEndpoints.all(each, "
        f"{' && '.join(f'!has(each.{field})' for field in _ADDRESS_FIELDS)}))"
    )
    # Traefik joins namespace and name with a dash: a-b/c would overwrite a/b-c of another namespace
    own_names = (
        f"request.resource.group != '{_TRAEFIK}' || object == null || "
        "object.metadata.name.startsWith(namespaceObject.metadata.name + '-')"
    )
    return [
        *({"expression": expression, "message": message} for expression in validations),
        *_reserved_namespaces(namespaces, reserved),
        {"expression": own_names, "message": "app stacks may name Middlewares only NAMESPACE-NAME"},
        {"expression": no_external_ips, "message": "app stacks may not give a Service externalIPs"},
        {"expression": own_targets, "message": "app stacks may let Prometheus scrape only pods of their namespace"},
    ]


def _reserved_namespaces(is_namespace: str, names: Sequence[str]) -> list[Json]:
    if not names:
        return []
    # the RoleBinding of an app in the namespace of a later layer would give app stacks access to the layer's Secrets
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
