"""Access and DNS on a running lab: users with certificates and RBAC, CoreDNS zones, SSH host certificates."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.labs import stack_document
from tests.drills.measurements import Recorder, timed
from tests.rehearsal.probes import resolve
from tests.rehearsal.rehearsed_lab import RehearsedLab, rehearse, wait_until

pytestmark = pytest.mark.drill


PEOPLE: dict[str, Any] = {
    "people": {"anna": ["developers"], "ben": ["developers"]},
    "groups": {"developers": {"namespaces": {"default": "edit", "shop": "view"}}},
}
HOSTS: dict[str, Any] = {"lan": {"hosts": {"nas.lan": ["10.9.0.201"]}}}
ZONE: dict[str, Any] = {"lab.test": {"wildcard": ["10.9.0.202"], "hosts": {"nas.lab.test": ["10.9.0.203"]}}}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    document = stack_document(1, 0)
    document["config"]["homelab:platform"] = {"rbac": PEOPLE, "coredns": {"zones": HOSTS}}
    with rehearse("access", document, tmp_path_factory.mktemp("access")) as found:
        found.up()
        yield found


@pytest.fixture(scope="module")
def annas_kubeconfig(lab: RehearsedLab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("anna") / "config"
    print(lab.homelab("kubeconfig", "--user", "anna", "--days", "7", "--output", str(file)))
    return file


def bindings(lab: RehearsedLab) -> set[str]:
    said = lab.kubectl("get", "clusterrolebindings,rolebindings", "-A", "-l", "homelab/rights", "-o", "json")
    return {f"{each['metadata']['namespace']}/{each['metadata']['name']}" for each in json.loads(said)["items"]}


def test_a_user_logs_in_with_her_name_and_groups(lab: RehearsedLab, annas_kubeconfig: Path) -> None:
    said = lab.kubectl_as(annas_kubeconfig, "auth", "whoami", "-o", "json")
    who = json.loads(said)["status"]["userInfo"]
    assert who["username"] == "anna"
    assert "developers" in who["groups"]
    assert not json.loads(lab.kubectl("get", "certificatesigningrequests", "-o", "json"))["items"]


def test_a_user_has_only_the_rights_of_her_roles(lab: RehearsedLab, annas_kubeconfig: Path) -> None:
    assert lab.kubectl_as(annas_kubeconfig, "-n", "default", "create", "configmap", "hers").startswith(
        "configmap/hers created"
    )
    for arguments in (["-n", "kube-system", "get", "pods"], ["get", "nodes"], ["-n", "default", "get", "rolebindings"]):
        assert 'User "anna" cannot list resource' in lab.kubectl_as(annas_kubeconfig, *arguments)


def test_a_later_namespace_gets_its_rights_with_the_next_up(lab: RehearsedLab, annas_kubeconfig: Path) -> None:
    assert bindings(lab) == {"default/homelab-edit-anna", "default/homelab-edit-ben"}
    lab.kubectl("create", "namespace", "shop")
    assert "cannot list" in lab.kubectl_as(annas_kubeconfig, "-n", "shop", "get", "pods")
    code, said = lab.pulumi("preview")
    print(said)
    assert code == 0
    assert "anna does not have the role view in shop" in said
    lab.up()
    assert "No resources found" in lab.kubectl_as(annas_kubeconfig, "-n", "shop", "get", "pods")
    assert "cannot create" in lab.kubectl_as(annas_kubeconfig, "-n", "shop", "create", "configmap", "hers")


def test_manual_bindings_are_removed(lab: RehearsedLab, annas_kubeconfig: Path) -> None:
    patch = '{"subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "eve"}]}'
    lab.kubectl("-n", "shop", "patch", "rolebinding", "homelab-view-ben", "--type=merge", "-p", patch)
    assert "eve has the role view in shop by the binding homelab-view-ben" in lab.up()
    said = lab.kubectl("-n", "shop", "get", "rolebinding", "homelab-view-ben", "-o", "jsonpath={.subjects[*].name}")
    assert said == "ben"


def resolve_on_s1(lab: RehearsedLab, name: str, kind: int = 1) -> str:
    return resolve(lab, "s1", name, kind)


def test_names_of_zones_resolve(lab: RehearsedLab) -> None:
    wait_until(lambda: resolve_on_s1(lab, "nas.lan") == "0a0900c9", "CoreDNS reads the zone")
    assert resolve_on_s1(lab, "kubernetes.default.svc.cluster.local") == "0a2b0001"


def test_coredns_reloads_changed_zones(lab: RehearsedLab, record: Recorder) -> None:
    with timed(record, "new CoreDNS zone, from `up` until it is served"):
        lab.document["config"]["homelab:platform"]["coredns"] = {"zones": ZONE}
        del lab.document["config"]["homelab:platform"]["rbac"]["people"]["anna"]
        lab.reopen()
        lab.up()
        wait_until(lambda: resolve_on_s1(lab, "any.lab.test") == "0a0900ca", "CoreDNS reads the new zone")
    assert resolve_on_s1(lab, "nas.lab.test") == "0a0900cb"
    assert resolve_on_s1(lab, "any.lab.test", 28) != "0a0900ca", "the wildcard has no IPv6 address"
    lab.document["config"]["homelab:platform"]["coredns"]["zones"]["lab.test"]["wildcard"] = ["10.9.0.204"]
    lab.reopen()
    lab.up()
    wait_until(lambda: resolve_on_s1(lab, "any.lab.test") == "0a0900cc", "CoreDNS reads the changed zone")


def test_a_removed_user_has_no_rights_despite_her_certificate(lab: RehearsedLab, annas_kubeconfig: Path) -> None:
    assert "cannot list" in lab.kubectl_as(annas_kubeconfig, "-n", "default", "get", "pods")
    assert bindings(lab) == {"default/homelab-edit-ben", "shop/homelab-view-ben"}


SIGN_HOST_KEY = """
cd /root && ssh-keygen -q -t ed25519 -N '' -f authority && ssh-keygen -q -t ed25519 -N '' -f new
ssh-keygen -q -s authority -I s1 -h -n 10.9.0.11 new.pub
/usr/sbin/sshd -p 2222 -h /root/new -o HostCertificate=/root/new-cert.pub
cat authority.pub
"""


def test_a_host_certificate_is_trusted_despite_another_host_key(lab: RehearsedLab) -> None:
    authority = lab.run_as_root("s1", SIGN_HOST_KEY).strip()
    file = lab.session.engine.stack_file
    whole = yaml.safe_load(file.read_text())
    cluster = whole["config"]["homelab:cluster"]
    cluster["nodes"][0].setdefault("ssh", {})["port"] = 2222
    file.write_text(yaml.safe_dump(whole))
    assert "s1 (10.9.0.11) shows another host key than the pinned one; nothing was sent." in lab.up_fails()
    cluster["ssh"]["hostAuthority"] = authority
    file.write_text(yaml.safe_dump(whole))
    assert "==> " not in lab.up()
    lab.reopen()
    lab.up()


def test_disabled_layers_delete_only_their_own_objects(lab: RehearsedLab) -> None:
    lab.document["config"]["homelab:platform"] = {}
    lab.reopen()
    lab.up()
    assert not bindings(lab)
    assert "coredns-custom" not in lab.kubectl("-n", "kube-system", "get", "configmaps", "-o", "name")
    assert resolve_on_s1(lab, "kubernetes.default.svc.cluster.local") == "0a2b0001"
