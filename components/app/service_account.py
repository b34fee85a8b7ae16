"""ServiceAccount of an app, the Role with its rights in the app's namespace, and the ClusterRole that lets listed apps
read objects of all namespaces."""

from collections.abc import Iterator, Sequence

from components.app.objects import metadata
from components.app.service_account_settings import READ, AppPolicyRuleSettings
from components.app.settings import AppSettings
from components.kubernetes import rbac
from components.kubernetes.manifest import Json, Manifest
from components.settings.errors import Findings

ROLE = "homelab:service-account"
"""Name of the Role and of the RoleBinding of an app's ServiceAccount."""
CLUSTER_READ_ROLE = "homelab:app-cluster-read"
"""Name of the ClusterRole of apps in `cluster.apps.clusterRead`, and of its ClusterRoleBinding."""
WRITABLE = (
    "/configmaps", "/events", "/persistentvolumeclaims", "/pods", "/pods/exec", "/secrets", "apps/deployments",
    "apps/deployments/scale", "apps/statefulsets", "apps/statefulsets/scale", "batch/cronjobs", "batch/jobs",
    "coordination.k8s.io/leases",
)  # fmt: skip
"""Resources, as API group and plural, that the Role of a ServiceAccount may let an app change."""
READABLE_SUBRESOURCES = ("pods/exec", "pods/log")
"""Subresources that the Role of a ServiceAccount may let an app read."""
_CLUSTER_READ: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("", (
        "endpoints", "events", "limitranges", "namespaces", "nodes", "persistentvolumeclaims", "persistentvolumes",
        "pods", "replicationcontrollers", "resourcequotas", "serviceaccounts", "services",
    )),
    ("apiextensions.k8s.io", ("customresourcedefinitions",)),
    ("apps", ("daemonsets", "deployments", "replicasets", "statefulsets")),
    ("autoscaling", ("horizontalpodautoscalers",)),
    ("batch", ("cronjobs", "jobs")),
    ("discovery.k8s.io", ("endpointslices",)),
    ("gateway.networking.k8s.io", ("gatewayclasses", "gateways", "httproutes")),
    ("metrics.k8s.io", ("nodes", "pods")),
    ("networking.k8s.io", ("ingressclasses", "ingresses", "networkpolicies")),
    ("policy", ("poddisruptionbudgets",)),
    ("storage.k8s.io", ("storageclasses", "volumeattachments")),
    ("traefik.io", ("ingressroutes",)),
)  # fmt: skip


def objects(app: AppSettings) -> Iterator[Manifest]:
    """Yield the ServiceAccount, and its Role and RoleBinding if the settings contain rules."""
    account = app.service_account
    if account is None:
        return
    # the app's pods mount the token explicitly, and no other pod of the namespace uses the ServiceAccount
    yield {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(app, app.name),
        "automountServiceAccountToken": False,
    }
    if account.rules:
        group = f"{rbac.API_GROUP}/v1"
        rules = [_rule(rule) for rule in account.rules]
        yield {"apiVersion": group, "kind": "Role", "metadata": metadata(app, ROLE), "rules": rules}
        yield {
            "apiVersion": group,
            "kind": "RoleBinding",
            "metadata": metadata(app, ROLE),
            "roleRef": {"apiGroup": rbac.API_GROUP, "kind": "Role", "name": ROLE},
            "subjects": [_subject(app.name)],
        }


def pod_fields(app: AppSettings) -> dict[str, Json]:
    """Return the fields of a pod spec that name the ServiceAccount, and mount its token only if the app has one."""
    if app.service_account is None:
        return {"automountServiceAccountToken": False}
    return {"automountServiceAccountToken": True, "serviceAccountName": app.name}


def cluster_readers(apps: Sequence[str]) -> list[Manifest]:
    """Return the ClusterRole and ClusterRoleBinding that let the ServiceAccounts of `apps` read objects of all
    namespaces."""
    if not apps:
        return []
    meta = {"metadata": {"name": CLUSTER_READ_ROLE}}
    group = f"{rbac.API_GROUP}/v1"
    rules = [{"apiGroups": [group_], "resources": list(kinds), "verbs": list(READ)} for group_, kinds in _CLUSTER_READ]
    reference = {"apiGroup": rbac.API_GROUP, "kind": "ClusterRole", "name": CLUSTER_READ_ROLE}
    subjects = [_subject(app) for app in apps]
    return [
        {"apiVersion": group, "kind": "ClusterRole", **meta, "rules": rules},
        {"apiVersion": group, "kind": "ClusterRoleBinding", **meta, "roleRef": reference, "subjects": subjects},
    ]


def service_account_problems(app: AppSettings) -> Findings:
    """Yield an error for a ServiceAccount without rights, and for each rule that the platform refuses."""
    account = app.service_account
    if account is None:
        return
    if not (account.rules or account.cluster_read):
        yield ("serviceAccount",), "has no rights", "add rules or clusterRead: true, or remove serviceAccount"
    for index, rule in enumerate(account.rules):
        for number in _refused(rule):
            reason = f"must not be granted with {', '.join(rule.verbs)}"
            fix = "allow only get, list and watch, or changes of pods, Jobs, CronJobs, Deployments, StatefulSets, "
            fix += "ConfigMaps, Secrets, PersistentVolumeClaims, Events and Leases"
            yield ("serviceAccount", "rules", index, "resources", number), reason, fix


def _refused(rule: AppPolicyRuleSettings) -> Iterator[int]:
    """Yield the index of each resource that the ValidatingAdmissionPolicy would refuse in a Role."""
    reads = set(rule.verbs) <= set(READ)
    for number, resource in enumerate(rule.resources):
        is_readable = reads and ("/" not in resource or resource in READABLE_SUBRESOURCES)
        if not (is_readable or all(f"{group}/{resource}" in WRITABLE for group in rule.api_groups)):
            yield number


def _rule(rule: AppPolicyRuleSettings) -> Json:
    names = {"resourceNames": list(rule.resource_names)} if rule.resource_names else {}
    resources = {"apiGroups": list(rule.api_groups), "resources": list(rule.resources), "verbs": list(rule.verbs)}
    return {**resources, **names}


def _subject(app: str) -> Json:
    return {"kind": "ServiceAccount", "name": app, "namespace": app}
