"""What app stacks may do in the cluster: everything that apps are made of, and nothing more."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.app import rights
from components.app.settings import AppSettings
from components.kubernetes import rbac
from components.kubernetes.manifest import Manifest
from stacks.catalog import LAYERS
from tests.support.app_stacks import APPS, created, objects, run_app, run_fixture
from tests.support.recorder import Recording, config_of, record
from tests.support.settings_fixtures import ROOT

USER = "homelab:apps-2-0a1b2c3d"
RECORDED = [run_app(file) for file in APPS]
OBJECTS = rights.for_app_stacks(USER)
ACCESS = ("get", "list", "watch", "create", "patch", "delete")


def named(kind: str, name: str) -> Manifest:
    (found,) = (each for each in OBJECTS if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return found


def resource(version: str, kind: str) -> tuple[str, str]:
    """Group and plural of a kind, as RBAC names them."""
    plural = f"{kind.lower()}es" if kind.endswith("s") else re.sub("ys$", "ies", f"{kind.lower()}s")
    return version.rpartition("/")[0], plural


def resources(recording: Recording) -> set[tuple[str, str]]:
    return {resource(each.plain["apiVersion"], each.plain["kind"]) for each in created(recording)}


def grants(role: str) -> set[tuple[str, str, str]]:
    """Group, plural and verb of everything that a ClusterRole allows."""
    return {
        (group, plural, verb)
        for rule in named("ClusterRole", role)["rules"]
        for group in rule["apiGroups"]
        for plural in rule["resources"]
        for verb in rule["verbs"]
    }


def verbs(role: str, group: str, plural: str) -> set[str]:
    return {verb for in_group, of, verb in grants(role) if (in_group, of) == (group, plural)}


OF_NAMESPACE = {("", "namespaces"), (rbac.API_GROUP, "rolebindings"), (rbac.API_GROUP, "roles")}
ACCOUNT = "homelab:service-account"
OF_APPS = set[tuple[str, str]]().union(*map(resources, RECORDED))


OF_PODS = {"args", "command", "cpu", "dnsPolicy", "privileged", "user"}
ELSEWHERE = {"discard", "name", "platform", "platformOutputs", "podSecurity", "tls"}
"""Settings that no app here has, and that make no object."""


def test_the_apps_here_use_every_setting() -> None:
    """Or the kinds that they are made of would not be all there are."""
    known = set(AppSettings.model_json_schema()["properties"])
    assert known - set[str]().union(*map(settings, APPS)) <= OF_PODS | ELSEWHERE


def settings(file: Path) -> Any:
    return yaml.safe_load(file.read_text())["config"]["homelab:app"]


def test_roles_have_what_apps_are_made_of_and_nothing_more() -> None:
    kinds = {(group, plural) for group, all_ in rights.RESOURCES.items() for plural in all_}
    assert kinds == OF_APPS - OF_NAMESPACE
    for group, plural in kinds:
        assert verbs(rights.CLUSTER_ROLE, group, plural) == {"create", "patch"}
        assert verbs(rights.NAMESPACE_ROLE, group, plural) == set(ACCESS)


def test_what_else_the_roles_allow_is_what_a_namespace_takes_and_what_is_looked_at() -> None:
    kinds = OF_APPS - OF_NAMESPACE
    everywhere = {each for each in grants(rights.CLUSTER_ROLE) if each[:2] not in kinds}
    assert everywhere == {
        *(("", "namespaces", verb) for verb in ACCESS),
        *((rbac.API_GROUP, "rolebindings", verb) for verb in ("create", "get", "patch")),
        *((rbac.API_GROUP, "roles", verb) for verb in ("bind", "create", "escalate", "get", "patch")),
        (rbac.API_GROUP, "clusterroles", "bind"),
    }
    rules = [
        rule for rule in named("ClusterRole", rights.CLUSTER_ROLE)["rules"] if rule["apiGroups"] == [rbac.API_GROUP]
    ]
    assert {(*rule["verbs"], *rule.get("resourceNames", ())) for rule in rules} == {
        ("create",), ("get", "patch", rights.NAMESPACE_ROLE, ACCOUNT), ("bind", rights.NAMESPACE_ROLE),
        ("get", "patch", "escalate", "bind", ACCOUNT),
    }  # fmt: skip
    inside = {each for each in grants(rights.NAMESPACE_ROLE) if each[:2] not in kinds}
    looked = (
        ("", "endpoints"), ("", "events"), ("", "pods"), ("apps", "controllerrevisions"), ("apps", "replicasets"),
        ("cert-manager.io", "certificates"),
    )  # fmt: skip
    commands = {("", "pods/exec", "create"), ("", "pods/exec", "get"), ("", "pods/log", "get")}
    account = {
        (rbac.API_GROUP, plural, verb)
        for plural in ("rolebindings", "roles")
        for verb in ("delete", "get", "list", "watch")
    }
    assert inside == {(*each, verb) for each in looked for verb in ("get", "list", "watch")} | commands | account


@pytest.mark.parametrize("role", [rights.CLUSTER_ROLE, rights.NAMESPACE_ROLE])
def test_no_role_can_give_itself_more(role: str) -> None:
    for group, plural, verb in grants(role):
        assert "*" not in (group, plural, verb)
        assert verb not in ("impersonate", "approve", "sign", "update", "deletecollection")
        assert verb != "escalate" or plural == "roles", "only Roles, which the policy limits"
        of_commands = {"pods/exec", "pods/log"} if role == rights.NAMESPACE_ROLE else set()
        assert "/" not in plural or plural in of_commands, "no exec elsewhere, no token of a service account"
        assert (
            plural not in ("nodes", "clusterrolebindings", "clusterroles", "customresourcedefinitions")
            or verb == "bind"
        )
    assert not {verb for verb in verbs(rights.CLUSTER_ROLE, "", "secrets") if verb in ("get", "list", "watch")}


def test_the_user_is_bound_everywhere_to_the_smaller_role() -> None:
    binding = named("ClusterRoleBinding", rights.CLUSTER_ROLE)
    assert binding["roleRef"] == {"apiGroup": rbac.API_GROUP, "kind": "ClusterRole", "name": rights.CLUSTER_ROLE}
    assert binding["subjects"] == [{"apiGroup": rbac.API_GROUP, "kind": "User", "name": USER}]
    assert len([each for each in OBJECTS if each["kind"] == "ClusterRoleBinding"]) == 1


def test_policy_covers_every_write_that_the_roles_allow() -> None:
    spec = named("ValidatingAdmissionPolicy", rights.ADMISSION_POLICY)["spec"]
    covered = {
        (group, plural)
        for rule in spec["matchConstraints"]["resourceRules"]
        for group in rule["apiGroups"]
        for plural in rule["resources"]
        if set(rule["operations"]) == {"CREATE", "UPDATE", "DELETE"} and rule["apiVersions"] == ["*"]
    }
    writes = {each for role in (rights.CLUSTER_ROLE, rights.NAMESPACE_ROLE) for each in grants(role)}
    assert covered == {each[:2] for each in writes if each[2] in ("create", "patch", "delete")} - {("", "pods/exec")}
    assert spec["failurePolicy"] == "Fail"
    (condition,) = spec["matchConditions"]
    assert condition["expression"] == "request.userInfo.username.startsWith('homelab:apps-')", "of any rotation"
    (binding,) = (each for each in OBJECTS if each["kind"] == "ValidatingAdmissionPolicyBinding")
    assert binding["spec"] == {"policyName": rights.ADMISSION_POLICY, "validationActions": ["Deny"]}


@pytest.mark.parametrize("recording", RECORDED, ids=[file.stem for file in APPS])
def test_everything_in_the_namespace_waits_for_the_role_binding(recording: Recording) -> None:
    bindings = (each for each in created(recording) if each.plain["kind"] == "RoleBinding")
    (binding,) = (each for each in bindings if each.plain["metadata"]["name"] == rights.NAMESPACE_ROLE)
    (namespace,) = (each for each in created(recording) if each.plain["kind"] == "Namespace")
    assert binding.plain["roleRef"]["name"] == rights.NAMESPACE_ROLE
    assert binding.plain["subjects"] == [
        {"apiGroup": rbac.API_GROUP, "kind": "User", "name": "homelab:apps-1-0a1b2c3d"}
    ]
    assert binding.deleted_with == namespace.urn, "who gave up the right to look could not see it go"
    for each in created(recording):
        if each not in (binding, namespace):
            assert binding in recording.dependencies(each), each.name


def test_namespace_of_an_app_is_one_to_the_policy() -> None:
    labels = objects(run_fixture("shop-dev"))["Namespace/shop-dev"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/name"] == "shop-dev"
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_policy_takes_no_namespace_of_an_older_pod_security() -> None:
    """`restricted` of Kubernetes 1.7 lets programs get more rights than the one that starts them."""
    for each in named("ValidatingAdmissionPolicy", rights.ADMISSION_POLICY)["spec"]["validations"][:2]:
        assert "[?'pod-security.kubernetes.io/enforce-version'].orValue('latest') == 'latest'" in each["expression"]


def test_no_app_stack_takes_the_namespace_of_a_layer_that_is_not_there_yet() -> None:
    """Its RoleBinding would let app stacks read the Secrets of the layer once it is installed."""
    manifests = rights.for_app_stacks(USER, reserved=("traefik", "argocd"))
    policy = policy_of(manifests)
    (found,) = (each for each in policy["spec"]["validations"] if "'traefik'" in each["expression"])
    assert found == {
        "expression": (
            "!(request.resource.resource == 'namespaces'"
            " ? object != null && object.metadata.name in ['argocd', 'traefik']"
            " : namespaceObject.metadata.name in ['argocd', 'traefik'])"
        ),
        "message": "app stacks may not use the namespaces of the platform's layers",
    }
    assert len(policy["spec"]["validations"]) == len(policy_of(OBJECTS)["spec"]["validations"]) + 1


def policy_of(manifests: list[Manifest]) -> Manifest:
    (found,) = (each for each in manifests if each["kind"] == "ValidatingAdmissionPolicy")
    return found


def test_every_namespace_of_a_layer_is_reserved_in_a_lab() -> None:
    inputs = str(
        [each.plain for each in record(config_of(ROOT / "tests/settings/valid/three-servers.yaml")).registered]
    )
    (names,) = set(re.findall(r"namespaceObject\.metadata\.name in \[(.*?)\]", inputs))
    for entry in LAYERS:
        for name in (entry.layer.namespace, *entry.layer.further_namespaces):
            assert f"'{name}'" in names.replace("\\", "")


def test_policy_takes_no_service_with_addresses_of_others() -> None:
    """A Service with `externalIPs` gets what any pod of the cluster sends to these addresses."""
    *_, last, _, _ = named("ValidatingAdmissionPolicy", rights.ADMISSION_POLICY)["spec"]["validations"]
    assert last["expression"] == (
        "request.resource.resource != 'services' || object == null || !has(object.spec.externalIPs)"
    )
    assert "externalIPs" in last["message"]


def test_policy_lets_prometheus_scrape_only_pods_of_the_namespace() -> None:
    """Prometheus may connect to all pods, and relabelings may replace the address of a target."""
    *_, last = named("ValidatingAdmissionPolicy", rights.ADMISSION_POLICY)["spec"]["validations"]
    assert last["expression"] == (
        "request.resource.resource != 'podmonitors' || object == null || !has(object.spec.namespaceSelector) && "
        "(!has(object.spec.podMetricsEndpoints) || object.spec.podMetricsEndpoints.all(each, !has(each.relabelings) && "
        "!has(each.proxyUrl) && !has(each.proxyFromEnvironment) && !has(each.oauth2)))"
    )
    assert last["message"] == "app stacks may let Prometheus scrape only pods of their namespace"


def test_policy_limits_what_a_service_account_may_change() -> None:
    """The policy does not restrict ServiceAccounts, so their Roles must not contain Services and the like."""
    *_, found, _ = named("ValidatingAdmissionPolicy", rights.ADMISSION_POLICY)["spec"]["validations"]
    assert found["message"] == "app stacks may let an app change only pods and what pods use"
    for text in ("'/pods'", "'coordination.k8s.io/leases'", "!has(rule.nonResourceURLs)", "!r.contains('*')"):
        assert text in found["expression"]
    for text in ("services", "networkpolicies", "rolebindings", "podmonitors"):
        assert text not in found["expression"]


def test_policy_takes_no_middleware_that_traefik_takes_for_one_of_another_namespace() -> None:
    """To Traefik, `route` in `traefik-default` and `default-route` in `traefik` are both `traefik-default-route`."""
    *_, found, _, _, _ = named("ValidatingAdmissionPolicy", rights.ADMISSION_POLICY)["spec"]["validations"]
    assert found == {
        "expression": (
            "request.resource.group != 'traefik.io' || object == null || "
            "object.metadata.name.startsWith(namespaceObject.metadata.name + '-')"
        ),
        "message": "app stacks must name Traefik objects NAMESPACE-NAME",
    }
    for recording in RECORDED:
        for each in created(recording):
            if each.plain["apiVersion"].startswith("traefik.io/"):
                meta = each.plain["metadata"]
                assert meta["name"].startswith(f"{meta['namespace']}-")
