"""The stack's kubeconfigs as the program makes them: keys, requests, and what comes of the cluster's answer."""

import base64
import copy
import hashlib
import json
import re
from typing import Any

import pulumi
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from components.cluster import kubeconfig
from tests.graph.test_graph import changed
from tests.support.envelopes import is_sealed, unsealed
from tests.support.recorder import Recording, config_of, generated, record
from tests.support.settings_fixtures import ROOT

THREE = ROOT / "tests/settings/valid/three-servers.yaml"
RUN = record(config_of(THREE))
NAMES = {"kubeconfig": "admin", "appKubeconfig": "apps"}


def rotated(**numbers: int) -> Recording:
    config = copy.deepcopy(config_of(THREE))
    config["cluster"]["k3s"] = {**config["cluster"].get("k3s", {}), "rotation": numbers}
    return record(config)


def requests(run: Recording) -> dict[str, x509.CertificateSigningRequest]:
    """The request of each user, as the server is given them."""
    given = run.resource("cluster-kubeconfig").plain["variables"]
    users = [line.split()[1] for line in given["USERS"].splitlines()]
    found = [x509.load_pem_x509_csr(base64.b64decode(each)) for each in given["REQUESTS"].splitlines()]
    return dict(zip(users, found, strict=True))


def user(run: Recording, name: str) -> str:
    (found,) = (each for each in requests(run) if each.startswith(f"homelab:{name}-"))
    return found


def output(run: Recording, name: str) -> Any:
    return yaml.safe_load(unsealed(run.stack_outputs[name]))


@pytest.mark.parametrize("name", NAMES)
def test_kubeconfig_has_the_key_that_the_request_is_for(name: str) -> None:
    found = output(RUN, name)
    (user,) = found["users"]
    key = serialization.load_pem_private_key(base64.b64decode(user["user"]["client-key-data"]), None)
    ((who, asked),) = (each for each in requests(RUN).items() if each[0].startswith(f"homelab:{NAMES[name]}-"))
    assert asked.is_signature_valid
    assert key.public_key() == asked.public_key()
    assert [each.value for each in asked.subject] == [who]
    assert not asked.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME), "no group: system:masters is for ever"


@pytest.mark.parametrize("name", NAMES)
def test_kubeconfig_has_what_the_cluster_answered(name: str) -> None:
    found = output(RUN, name)
    assert found["clusters"] == [{
        "name": "lab",
        "cluster": {"server": "https://10.0.0.240:6443", "certificate-authority-data": generated("authority")},
    }]  # fmt: skip
    assert found["users"][0]["user"]["client-certificate-data"] == generated(f"certificate-{NAMES[name]}")
    assert found["contexts"] == [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}]
    assert found["current-context"] == "lab"


@pytest.mark.parametrize("name", ["123", "null", "1e3"])
def test_a_name_that_yaml_would_read_otherwise_stays_a_name(name: str) -> None:
    config = copy.deepcopy(config_of(THREE))
    config["cluster"]["name"] = name
    assert output(record(config), "kubeconfig")["current-context"] == name


def test_keys_stay_with_the_stack() -> None:
    """What a machine is given is a request, which is public and the same in every run."""
    task = RUN.resource("cluster-kubeconfig")
    assert list(unsealed(task.inputs["secrets"])) == ["CLUSTER"]
    assert not is_sealed(task.inputs["variables"]["REQUESTS"])
    private = {kubeconfig.private_key(generated(f"cluster-{name}-key")) for name in NAMES.values()}
    assert not [key for key in private if key in str(unsealed(task.inputs))]
    assert record(config_of(THREE)).resource("cluster-kubeconfig").inputs == task.inputs


def test_the_administrator_is_cluster_admin_by_a_binding_of_ours() -> None:
    objects = json.loads(RUN.resource("cluster-kubeconfig").plain["variables"]["RIGHTS"])["items"]
    (binding,) = (each for each in objects if each["metadata"]["name"] == "homelab:admin")
    assert (binding["kind"], binding["roleRef"]["name"]) == ("ClusterRoleBinding", "cluster-admin")
    assert [each["name"] for each in binding["subjects"]] == [user(RUN, "admin")]


def test_nobody_can_have_a_certificate_signed_for_the_user_of_the_next_rotation() -> None:
    """Who had the administrator's kubeconfig could, for any name that he can know: this one he cannot."""
    assert re.fullmatch(r"homelab:admin-1-[0-9a-f]{8}", user(RUN, "admin"))
    assert user(RUN, "admin").rpartition("-")[2] != user(RUN, "apps").rpartition("-")[2], "each is of its key"
    public = requests(RUN)[user(RUN, "admin")].public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    digest = hashlib.sha256(public.public_bytes(serialization.Encoding.DER, form)).hexdigest()
    assert digest.startswith(user(RUN, "admin").rpartition("-")[2])


def test_a_rotation_makes_other_keys_for_other_users_and_touches_no_node() -> None:
    after = rotated(kubeconfigs=2)
    assert changed(RUN, after) == {
        "cluster-admin-key": {"generation"},
        "cluster-apps-key": {"generation"},
        "cluster-kubeconfig": {"USERS", "RIGHTS", "REQUESTS"},
    }
    assert {each.rpartition("-")[0] for each in requests(after)} == {"homelab:admin-2", "homelab:apps-2"}
    assert "homelab:admin-1" not in after.resource("cluster-kubeconfig").plain["variables"]["RIGHTS"]
    assert after.stack_outputs["appUser"] == user(after, "apps")


def test_other_certificates_of_the_servers_leave_the_kubeconfigs_alone() -> None:
    assert "cluster-kubeconfig" not in changed(RUN, rotated(certificates=2))


def test_they_are_looked_at_on_every_run() -> None:
    task = RUN.resource("cluster-kubeconfig").plain
    assert task["probe"] == "drift/kubeconfigs.sh"
    assert [(step["script"], step["on"]) for step in task["run"]] == [
        ("cluster/bind-kubeconfig-users.sh", "server"),
        ("cluster/sign-kubeconfigs.sh", "server"),
    ]


def test_an_answer_of_an_older_version_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pulumi keeps it, when another resource alone is asked for."""
    from tests.support import recorder

    real = recorder.generated
    monkeypatch.setattr(recorder, "generated", lambda name: "apiVersion: v1" if name == "authority" else real(name))
    with pytest.raises(pulumi.RunError, match="older version of homelab: run `pulumi up` without --target"):
        record(config_of(THREE))
