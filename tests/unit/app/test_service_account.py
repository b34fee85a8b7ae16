"""ServiceAccount of an app: its rights, its token, and the ClusterRole of apps that read all namespaces."""

import re

import pulumi
import pytest

from components.app import rights, service_account
from tests.support.app_stacks import OUTPUTS, objects, pod_spec, run_fixture
from tests.support.recorder import Recording
from tests.unit.app.test_network import allowed


@pytest.fixture(scope="module")
def blog() -> Recording:
    return run_fixture("blog")


def test_role_and_binding_contain_the_named_rights(blog: Recording) -> None:
    found = objects(blog)
    assert found["Role/homelab:service-account"]["rules"] == [
        {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list", "watch"]},
        {
            "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"],
            "resourceNames": ["blog"],
        },
    ]  # fmt: skip
    binding = found["RoleBinding/homelab:service-account"]
    assert binding["roleRef"]["name"] == "homelab:service-account"
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "blog", "namespace": "blog"}]
    assert found["ServiceAccount/blog"]["automountServiceAccountToken"] is False


def test_the_token_is_only_in_the_apps_own_pods(blog: Recording) -> None:
    found = objects(blog)
    own = [pod_spec(blog, "blog"), found["Deployment/blog-queue"]["spec"]["template"]["spec"]]
    own.append(found["CronJob/blog-tidy"]["spec"]["jobTemplate"]["spec"]["template"]["spec"])
    for pod in own:
        assert (pod["automountServiceAccountToken"], pod["serviceAccountName"]) == (True, "blog")
    others = [found["StatefulSet/blog-mariadb"]["spec"]["template"]["spec"]]
    others.append(found["CronJob/blog-backup"]["spec"]["jobTemplate"]["spec"]["template"]["spec"])
    others.append(pod_spec(run_fixture("shop-dev"), "shop-dev"))
    for pod in others:
        assert pod["automountServiceAccountToken"] is False
        assert "serviceAccountName" not in pod


def test_network_policies_allow_the_kubernetes_api(blog: Recording) -> None:
    for name in ("blog", "blog-job", "blog-worker"):
        assert "to 10.0.0.11/32 6443" in allowed(objects(blog)[f"NetworkPolicy/{name}"])
    assert "6443" not in str(allowed(objects(run_fixture("shop-dev"))["NetworkPolicy/shop-dev"]))


def test_without_rules_there_is_no_role() -> None:
    made = objects(run_fixture("blog", serviceAccount={"clusterRead": True}))
    assert "ServiceAccount/blog" in made
    assert "Role/homelab:service-account" not in made


@pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")
def test_only_listed_apps_read_all_namespaces() -> None:
    text = "homelab:app.serviceAccount.clusterRead: lets blog read objects of all namespaces, which the platform does "
    text += "not allow; set `apps: {clusterRead: [blog]}` under homelab:cluster in stack lab and run `pulumi up`"
    with pytest.raises(pulumi.RunError, match=re.escape(text)):
        run_fixture("blog", outputs=OUTPUTS | {"clusterReaders": ["homepage"]})


def test_readers_see_no_secrets_and_no_configmaps() -> None:
    assert service_account.cluster_readers(()) == []
    role, binding = service_account.cluster_readers(("blog", "homepage"))
    for rule in role["rules"]:
        assert rule["verbs"] == ["get", "list", "watch"]
        assert not {"secrets", "configmaps", "*"} & {*rule["resources"], *rule["apiGroups"]}
    assert [each["namespace"] for each in binding["subjects"]] == ["blog", "homepage"]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    everything = rights.for_app_stacks("u", readers=("blog",))
    assert {"ClusterRole/homelab:app-cluster-read", "ClusterRoleBinding/homelab:app-cluster-read"} <= {
        f"{each['kind']}/{each['metadata']['name']}" for each in everything
    }
