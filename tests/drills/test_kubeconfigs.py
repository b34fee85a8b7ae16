"""The stack's kubeconfigs on a running lab: their rights, their renewal, and the revocation of a leaked one."""

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from bench.labs import stack_document
from rehearsal.paths import PROJECT
from tests.rehearsal.rehearsed_lab import RehearsedLab, rehearse

pytestmark = pytest.mark.drill

ADMIN, APPS = "kubeconfig", "appKubeconfig"
LABELS = {"app.kubernetes.io/name": "shop", "pod-security.kubernetes.io/enforce": "restricted"}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": LABELS}}
RIGHTS_FIRST = ("--target", "**:Namespace::**", "--target", "**:RoleBinding::**")
K3S_PID = "systemctl show -p MainPID --value k3s"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    with rehearse("kubeconfigs", stack_document(1, 0), tmp_path_factory.mktemp("kubeconfigs")) as found:
        found.up()
        yield found


def save_kubeconfig(lab: RehearsedLab, output: str) -> Path:
    """Save the stack's current kubeconfig to a new file; return its path."""
    file = lab.lab.folder / f"kept-{output}-{len(list(lab.lab.folder.glob('kept-*')))}"
    file.touch(mode=0o600)
    file.write_text(str(lab.session.engine.outputs()[output]))
    return file


def certificate(file: Path) -> x509.Certificate:
    user = yaml.safe_load(file.read_text())["users"][0]["user"]
    return x509.load_pem_x509_certificate(base64.b64decode(user["client-certificate-data"]))


def manifest(version: str, kind: str, name: str, namespace: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **more}


def role_binding(lab: RehearsedLab, namespace: str, role: str) -> dict[str, Any]:
    group, user = "rbac.authorization.k8s.io", lab.session.engine.outputs()["appUser"]
    return manifest(
        f"{group}/v1", "RoleBinding", "homelab:app", namespace,
        roleRef={"apiGroup": group, "kind": "ClusterRole", "name": role},
        subjects=[{"apiGroup": group, "kind": "User", "name": user}],
    )  # fmt: skip


def apply(lab: RehearsedLab, file: Path, wanted: Any) -> str:
    return lab.kubectl_as(file, "apply", "--server-side", "-f", "-", stdin=wanted)


def test_the_administrator_has_a_revocable_user_and_no_permanent_group(lab: RehearsedLab) -> None:
    admin = save_kubeconfig(lab, ADMIN)
    who = json.loads(lab.kubectl_as(admin, "auth", "whoami", "-o", "json"))["status"]["userInfo"]
    assert re.fullmatch(r"homelab:admin-1-[0-9a-f]{8}", who["username"])
    assert set(who["groups"]) == {"system:authenticated"}
    assert lab.kubectl_as(admin, "auth", "can-i", "*", "*", "-A") == "yes\n"
    life = certificate(admin).not_valid_after_utc - certificate(admin).not_valid_before_utc
    assert life.days == 365
    assert not json.loads(lab.kubectl("get", "certificatesigningrequests", "-o", "json"))["items"]


def test_app_stacks_create_only_namespaces_of_apps(lab: RehearsedLab) -> None:
    apps = save_kubeconfig(lab, APPS)
    assert "serverside-applied" in apply(lab, apps, NAMESPACE)
    assert "serverside-applied" in apply(lab, apps, role_binding(lab, "shop", "homelab:app"))
    other = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}}
    assert "app stacks may write to namespaces of apps only" in apply(lab, apps, other)
    loose = {**NAMESPACE, "metadata": {"name": "shop", "labels": LABELS | {"app.kubernetes.io/name": "x"}}}
    assert "app stacks may write to namespaces of apps only" in apply(lab, apps, loose)
    for level in ("privileged", "baseline"):
        labels = LABELS | {"pod-security.kubernetes.io/enforce": level}
        loose = {**NAMESPACE, "metadata": {"name": "shop", "labels": labels}}
        assert "app stacks may write to namespaces of apps only" in apply(lab, apps, loose)
    lab.kubectl("create", "namespace", "layer")
    for name in ("kube-system", "default", "layer"):
        labels = {"app.kubernetes.io/name": name, "pod-security.kubernetes.io/enforce": "restricted"}
        taken = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        assert "app stacks may write to namespaces of apps only" in apply(lab, apps, taken)
    assert "app stacks may write to namespaces of apps only" in lab.kubectl_as(apps, "delete", "namespace", "layer")
    labels = {"app.kubernetes.io/name": "traefik", "pod-security.kubernetes.io/enforce": "restricted"}
    later = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "traefik", "labels": labels}}
    assert "app stacks may not use the namespaces of the platform's layers" in apply(lab, apps, later)


def test_app_stacks_have_rights_only_in_namespaces_of_apps(lab: RehearsedLab) -> None:
    apps = save_kubeconfig(lab, APPS)
    secret = manifest("v1", "Secret", "mine", "shop", stringData={"key": "word"})
    assert "serverside-applied" in apply(lab, apps, secret)
    assert lab.kubectl_as(apps, "-n", "shop", "get", "secret", "mine", "-o", "name") == "secret/mine\n"
    assert "deleted" in lab.kubectl_as(apps, "-n", "shop", "delete", "secret", "mine")
    for namespace in ("kube-system", "default"):
        for kind in ("secrets", "configmaps", "pods", "deployments.apps"):
            assert "Forbidden" in lab.kubectl_as(apps, "-n", namespace, "get", kind)
        secret = manifest("v1", "Secret", "mine", namespace, stringData={"key": "word"})
        assert "app stacks may write to namespaces of apps only" in apply(lab, apps, secret)
        assert "app stacks may write to namespaces of apps only" in apply(
            lab, apps, role_binding(lab, namespace, "homelab:app")
        )
    assert "Forbidden" in lab.kubectl_as(apps, "-n", "kube-system", "delete", "deployment", "coredns")


def test_app_stacks_cannot_escalate_their_rights(lab: RehearsedLab) -> None:
    apps = save_kubeconfig(lab, APPS)
    stronger = {**role_binding(lab, "shop", "cluster-admin"), "metadata": {"name": "more", "namespace": "shop"}}
    said = lab.kubectl_as(apps, "create", "-f", "-", stdin=stronger)
    assert "is attempting to grant RBAC permissions not currently held" in said
    cluster = {**stronger, "kind": "ClusterRoleBinding", "metadata": {"name": "more"}}
    for each in (cluster, manifest("v1", "ServiceAccount", "more", "shop"), manifest("v1", "Pod", "more", "shop")):
        assert "is forbidden" in apply(lab, apps, each)
    pod = lab.kubectl("-n", "kube-system", "get", "pods", "-l", "k8s-app=kube-dns", "-o", "name").strip()
    assert "Forbidden" in lab.kubectl_as(apps, "-n", "kube-system", "exec", pod, "--", "true")
    for arguments in (("get", "nodes"), ("get", "secrets", "-A"), ("get", "clusterrolebindings")):
        assert "Forbidden" in lab.kubectl_as(apps, *arguments)
    for who in ("--as=homelab:admin-1", "--as-group=system:masters"):
        assert "cannot impersonate" in lab.kubectl_as(apps, "get", "nodes", who, "--as=x")


class SeparateProject:
    """An app developer's own Pulumi, whose separate backend and passphrase give no access to the lab's state."""

    def __init__(self, lab: RehearsedLab, folder: Path) -> None:
        own = {"PULUMI_BACKEND_URL": f"file://{folder}", "PULUMI_CONFIG_PASSPHRASE": "another", "PULUMI_STACK": "blog"}
        self._environment = lab.session.engine.environment | own
        self._pulumi = lab.lab.netns.command(lab.session.engine.program)
        self._folder = folder
        self._file = folder / "Pulumi.blog.yaml"
        (folder / "Pulumi.yaml").write_text("name: homelab\nruntime: python\n")
        self._run(["stack", "init", "blog", "--no-select"], folder)
        app = {"platform": "lab", "platformOutputs": {"secret": "platform"}, "port": 9898, "replicas": 1}
        app |= {"image": "ghcr.io/stefanprodan/podinfo:6.9.2", "files": {"/config/greeting": "hello"}}
        document = {**yaml.safe_load(self._file.read_text()), "config": {"homelab:app": app}}
        self._file.write_text(yaml.safe_dump(document))
        given = lab.homelab("platform")
        self._run(["config", "set", "--secret", "homelab:platform"], folder, given)

    def change(self, **settings: Any) -> None:
        document = yaml.safe_load(self._file.read_text())
        document["config"]["homelab:app"] |= settings
        self._file.write_text(yaml.safe_dump(document))

    def __call__(self, *arguments: str) -> str:
        return self._run([*arguments, "--config-file", str(self._file)], PROJECT)

    def state(self) -> str:
        return self._run(["stack", "export", "--show-secrets"], self._folder)

    def _run(self, arguments: list[str], folder: Path, given: str | None = None) -> str:
        done = subprocess.run(
            [*self._pulumi, *arguments], cwd=folder, env=self._environment, input=given, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        print(f"$ pulumi {' '.join(arguments)}\n{done.stdout}" * ("export" not in arguments), flush=True)
        assert done.returncode == 0
        return done.stdout


def test_the_app_kubeconfig_suffices_to_deploy_an_app(lab: RehearsedLab, tmp_path: Path) -> None:
    pulumi = SeparateProject(lab, tmp_path)
    said = pulumi("preview") + pulumi("up", "--yes", "--skip-preview")
    ready = ["get", "deployment", "-n", "blog", "blog", "-o", "jsonpath={.status.readyReplicas}"]
    assert lab.kubectl(*ready) == "1"
    pulumi.change(files={"/config/greeting": "changed"}, environment={"COLOUR": "blue"})
    said += pulumi("preview") + pulumi("up", "--yes", "--skip-preview")
    assert re.search(r"Resources:\n +\d+ unchanged\n", pulumi("up", "--yes", "--skip-preview", "--refresh"))
    for lost in (("-n", "blog", "rolebinding", "homelab:app"), ("namespace", "blog")):  # as after a restore
        lab.kubectl("delete", *lost)
        pulumi("up", "--yes", "--skip-preview", "--refresh", *RIGHTS_FIRST)
        pulumi("up", "--yes", "--skip-preview", "--refresh")
        assert lab.kubectl(*ready) == "1"
    state = pulumi.state()
    assert lab.homelab("recovery-token").strip() not in state
    admin = yaml.safe_load(str(lab.session.engine.outputs()[ADMIN]))["users"][0]["user"]
    assert admin["client-key-data"] not in state
    said += pulumi("destroy", "--yes", "--skip-preview")
    assert "blog" not in lab.kubectl("get", "namespaces", "-o", "name")
    assert not re.search(r"forbidden|\berror\b", said, re.IGNORECASE), said


def test_renewal_is_shown_weeks_ahead_and_changes_no_node(lab: RehearsedLab) -> None:
    before, runs = {name: save_kubeconfig(lab, name) for name in (ADMIN, APPS)}, lab.run_as_root("s1", K3S_PID)
    lab.up_changes_nothing()
    note = "jsonpath={.metadata.annotations.homelab/kubeconfigs}"
    mark, _, ends = lab.kubectl("get", "clusterrolebinding", "homelab:admin", "-o", note).split()
    past = f"homelab/kubeconfigs={mark} 1 {ends}"  # as it is nine months later
    lab.kubectl("annotate", "clusterrolebinding", "homelab:admin", "--overwrite", past)
    code, said = lab.pulumi("preview")
    assert code == 0
    assert re.search(r"cluster-kubeconfig update \[diff: \+drift\]; warning: s1: the kubeconfigs expire on 20", said), (
        said
    )
    assert not re.search(r"replace", said), said
    said = lab.up()
    assert re.search(r"~ \d updated", said), said
    assert not re.search(r"replaced|created|deleted", said), said
    lab.up_changes_nothing()
    for name, old in before.items():
        new = save_kubeconfig(lab, name)
        assert certificate(new).serial_number != certificate(old).serial_number
        assert certificate(new).public_key() == certificate(old).public_key()
        assert "yes" in lab.kubectl_as(new, "auth", "can-i", "create", "namespaces")
    assert lab.run_as_root("s1", K3S_PID) == runs


def test_doctor_and_kubeconfig_print_the_expiry(lab: RehearsedLab, tmp_path: Path) -> None:
    said = lab.homelab("kubeconfig", "--output", str(tmp_path / "config"))
    assert re.search(r"The certificate is valid until 20\S+ \S+ UTC", said)
    reports = json.loads(lab.homelab("doctor", "--json").partition("\n{")[2].join(("{", "")))["reports"]
    (cluster,) = (each for each in reports if each["kind"] == "cluster")
    (found,) = (each for each in cluster["findings"] if each["check"] == "kubeconfig")
    assert found["state"] == "fine"


def test_a_deleted_binding_is_detected_and_recreated(lab: RehearsedLab) -> None:
    admin = save_kubeconfig(lab, ADMIN)
    lab.run_as_root("s1", "k3s kubectl delete clusterrolebinding homelab:admin homelab:apps")
    assert "Forbidden" in lab.kubectl_as(admin, "get", "nodes")
    code, said = lab.pulumi("preview")
    assert code == 0
    assert re.search(r"homelab:admin-1-\w+ has no role", said)
    lab.up()
    assert "s1" in lab.kubectl_as(admin, "get", "nodes")
    lab.up_changes_nothing()


def test_a_rotation_revokes_a_leaked_kubeconfig(lab: RehearsedLab) -> None:
    leaked, runs = {name: save_kubeconfig(lab, name) for name in (ADMIN, APPS)}, lab.run_as_root("s1", K3S_PID)
    assert "homelab:app" in lab.kubectl_as(leaked[APPS], "-n", "shop", "get", "rolebinding", "homelab:app")
    lab.cluster["k3s"] = {"rotation": {"kubeconfigs": 2}}
    lab.reopen()
    said = lab.up()
    assert not re.search(r"replaced|deleted", said), said
    assert "Forbidden" in lab.kubectl_as(leaked[ADMIN], "get", "nodes")
    for arguments in (("-n", "shop", "get", "secrets"), ("get", "namespaces")):
        assert "Forbidden" in lab.kubectl_as(leaked[APPS], *arguments)
    secret = manifest("v1", "Secret", "leaked", "shop", stringData={"key": "word"})
    assert "Forbidden" in apply(lab, leaked[APPS], secret)
    assert "No resources found" in lab.kubectl_as(save_kubeconfig(lab, APPS), "-n", "shop", "get", "secrets")
    assert "s1" in lab.kubectl_as(save_kubeconfig(lab, ADMIN), "get", "nodes")
    assert lab.run_as_root("s1", K3S_PID) == runs
    lab.up_changes_nothing()


def test_the_recovery_token_is_printed_but_is_no_output(lab: RehearsedLab) -> None:
    token = lab.homelab("recovery-token").strip()
    assert lab.run_as_root("s1", "cat /etc/rancher/k3s/token").strip().endswith(f"::server:{token}")
    assert token not in json.dumps(dict(lab.session.engine.outputs()))
