"""The stack's kubeconfigs on a server: rights for their users, signed certificates, and the look at both."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import certificate
from tests.support.machine_scripts import SCRIPTS, FakeMachine

USERS = "homelab:admin homelab:admin-2\nhomelab:apps homelab:apps-2"
REQUESTS = "cmVxdWVzdC1h\ncmVxdWVzdC1i"
TLS = "var/lib/rancher/k3s/server/tls"
K3S = """
case "$*" in
  *" apply "*) cat >applied; [ ! -e refuses ] || { echo "no matches for kind" >&2; exit 1; } ;;
  *" create "*) cat >created; printf 'certificatesigningrequest.certificates.k8s.io/homelab-%s\\n' x y ;;
  *" certificate approve "*) touch approved ;;
  *" get certificatesigningrequests "*) [ ! -e approved ] || cat certificates ;;
  *" get rolebindings "*) cat bound 2>/dev/null; [ ! -e silent ] ;;
esac
"""
CURL = """
case "$*" in
  *readyz*) [ ! -e away ] ;;
  *clusterrolebindings/homelab:admin*) cat admin ;;
  *clusterrolebindings/homelab:apps*) cat apps ;;
esac
"""


@pytest.fixture
def server(tmp_path: Path) -> FakeMachine:
    fake = FakeMachine(tmp_path, {"k3s": K3S, "curl": CURL})
    for name in ("client-ca", "server-ca"):
        fake.file(f"{TLS}/{name}.crt").write_text(name)
    fake.file("certificates").write_text(f"{certificate(365)}\n{certificate(365)}\n")
    return fake


def sign(server: FakeMachine) -> str:
    """What the script notes in the cluster."""
    done = server.run("cluster/sign-kubeconfigs", USERS=USERS, REQUESTS=REQUESTS, SECONDS_VALID="31536000")
    assert done.status == 0, done.errors
    (note,) = (call for call in done.calls if " annotate " in call)
    return note.partition("homelab/kubeconfigs=")[2]


def test_requests_are_signed_and_taken_back(server: FakeMachine) -> None:
    done = server.run("cluster/sign-kubeconfigs", REQUESTS=REQUESTS, SECONDS_VALID="31536000")
    assert done.status == 0, done.errors
    made = json.loads(server.file("created").read_text())["items"]
    assert [each["spec"]["request"] for each in made] == REQUESTS.split()
    for each in made:
        assert each["metadata"] == {"generateName": "homelab-"}
        assert each["spec"]["signerName"] == "kubernetes.io/kube-apiserver-client"
        assert each["spec"]["usages"] == ["client auth"]
        assert each["spec"]["expirationSeconds"] == 31536000
    authority, *certificates = done.output.split()
    assert base64.b64decode(authority) == b"server-ca"
    assert certificates == server.file("certificates").read_text().split()
    assert done.calls[-1].endswith("delete certificatesigningrequests homelab-x homelab-y --ignore-not-found")


def test_what_is_not_signed_is_taken_back_too(server: FakeMachine) -> None:
    text = (SCRIPTS / "cluster/sign-kubeconfigs.sh").read_text()
    server.file("certificates").write_text(certificate(365))
    done = server.run_text(text.replace("wait_for 30", "wait_for 0"), REQUESTS=REQUESTS, SECONDS_VALID="31536000")
    assert done.status != 0
    assert "The cluster has not signed the certificates within 30 s; run `pulumi up` again:" in done.errors
    assert done.calls[-1].endswith("delete certificatesigningrequests homelab-x homelab-y --ignore-not-found")
    assert not [call for call in done.calls if " annotate " in call]


@pytest.mark.parametrize(("days", "left"), [(365, 91), (30, 7)])
def test_renewal_is_due_in_the_last_quarter(server: FakeMachine, days: int, left: int) -> None:
    server.file("certificates").write_text(f"{certificate(days)}\n{certificate(days)}\n")
    _, renew, ends = sign(server).split()
    assert (int(ends) - int(renew)) // 86400 == left


def binding(user: str, note: str = "") -> str:
    metadata: dict[str, Any] = {"name": "x", "annotations": {"other": "x", "homelab/kubeconfigs": note}}
    subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}
    return json.dumps({"metadata": metadata, "subjects": [subject], "roleRef": {}}, separators=(",", ":"))


def look(server: FakeMachine, note: str, admin: str = "homelab:admin-2", apps: str = "homelab:apps-2") -> list[str]:
    server.file("admin").write_text(binding(admin, note))
    server.file("apps").write_text(binding(apps))
    done = server.run("drift/kubeconfigs", USERS=USERS, REQUESTS=REQUESTS)
    assert (done.status, done.errors) == (0, "")
    assert not [call for call in done.calls if call.startswith("k3s")], "kubectl takes a second on a small board"
    return done.output.splitlines()


def test_look_finds_nothing_after_they_were_signed(server: FakeMachine) -> None:
    assert look(server, sign(server)) == []


def test_look_says_when_they_end(server: FakeMachine) -> None:
    mark, _, _ = sign(server).split()
    assert look(server, f"{mark} 1700000000 1707782400") == ["the kubeconfigs expire on 2024-02-13 00:00 UTC"]


@pytest.mark.parametrize("file", ["client-ca", "server-ca"])
def test_look_sees_another_authority(server: FakeMachine, file: str) -> None:
    note = sign(server)
    server.file(f"{TLS}/{file}.crt").write_text("another")
    assert look(server, note) == ["the kubeconfigs are not signed by this cluster's CAs"]


def test_look_sees_that_the_cluster_knows_another_stacks_kubeconfigs(server: FakeMachine) -> None:
    note = sign(server)
    other = "0" * 16 + note[16:]
    assert look(server, other) == look(server, "") == ["the kubeconfigs are not signed by this cluster's CAs"]


def test_look_sees_who_has_no_rights(server: FakeMachine) -> None:
    note = sign(server)
    assert look(server, note, admin="homelab:admin-1", apps="eve") == [
        "homelab:admin-2 has no role: homelab:admin does not bind this user",
        "homelab:apps-2 has no role: homelab:apps does not bind this user",
    ]
    server.file("apps").write_text('{"kind":"Status","code":404}')
    done = server.run("drift/kubeconfigs", USERS=USERS, REQUESTS=REQUESTS)
    assert "homelab:apps-2 has no role" in done.output


def test_nothing_is_known_without_the_api(server: FakeMachine) -> None:
    server.file("away").touch()
    done = server.run("drift/kubeconfigs", USERS=USERS, REQUESTS=REQUESTS)
    assert (done.status, done.output) == (0, "")


def test_users_get_their_rights_also_in_the_namespaces_of_apps(server: FakeMachine) -> None:
    server.file("bound").write_text('shop "homelab:apps-1"\nblog "homelab:apps-2"\nbare ""\n')
    done = server.run("cluster/bind-kubeconfig-users", USERS=USERS, RIGHTS='{"items": []}')
    assert done.status == 0, done.errors
    assert server.file("applied").read_text() == '{"items": []}\n'
    patched = [call.partition(" patch ")[2].split(" ") for call in done.calls if " patch " in call]
    assert [words[:4] for words in patched] == [["rolebinding", "homelab:app", "-n", each] for each in ("shop", "bare")]
    assert all('"name": "homelab:apps-2"' in " ".join(words) for words in patched)


def test_the_name_of_a_user_is_quoted_and_no_binding(server: FakeMachine) -> None:
    """Whoever may make a RoleBinding there may name a user with a line break in it."""
    server.file("bound").write_text('mine "homelab:apps-2\\nkube-system x"\nmine2 "a \\"b"\n')
    done = server.run("cluster/bind-kubeconfig-users", USERS=USERS, RIGHTS='{"items": []}')
    assert done.status == 0, done.errors
    assert [call.split(" -n ")[1].split()[0] for call in done.calls if " patch " in call] == ["mine", "mine2"]
    (asked,) = (call for call in done.calls if " get rolebindings " in call)
    assert 'printf "%q" ' in asked


def test_rights_that_could_not_be_given_are_told(server: FakeMachine) -> None:
    server.file("refuses").touch()
    done = server.run("cluster/bind-kubeconfig-users", USERS=USERS, RIGHTS="{}")
    assert done.status != 0
    assert "The users of the kubeconfigs could not be bound to their roles:\nno matches for kind" in done.errors


def test_a_namespace_that_could_not_be_looked_for_is_an_error(server: FakeMachine) -> None:
    """Or an earlier user would keep his rights there."""
    server.file("silent").touch()
    assert server.run("cluster/bind-kubeconfig-users", USERS=USERS, RIGHTS="{}").status != 0
