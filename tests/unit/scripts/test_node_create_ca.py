"""The CAs that the first server creates with the CA of `k3s.ca`, with the real openssl."""

import subprocess
from pathlib import Path

import pytest

from tests.support.fault_scenarios import BOOTSTRAP, DATA, TOOLS, staged_machine
from tests.support.machine_scripts import FakeMachine, ScriptRun
from tests.support.own_ca import encoded, own_ca

TLS = f"{DATA}/server/tls"
NAMES = ("client-ca", "server-ca", "request-header-ca", "etcd/peer-ca", "etcd/server-ca")


def openssl(*arguments: str, stdin: str = "") -> str:
    return subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    root = tmp_path / "machine"
    root.mkdir()
    fake = FakeMachine(root, TOOLS)
    staged_machine(fake)
    return fake


def create(machine: FakeMachine, certificate: str, key: str, **more: str) -> ScriptRun:
    given = BOOTSTRAP | {"CA": "", "OWN_CA": encoded(certificate), "OWN_CA_KEY": key} | more
    return machine.run("node/create-ca", **given)


def test_each_ca_is_signed_and_contains_the_chain(machine: FakeMachine, tmp_path: Path) -> None:
    certificate, key = own_ca()
    (tmp_path / "own.pem").write_text(certificate)
    done = create(machine, certificate, key)
    assert (done.status, done.progress) == (0, ["creating the CAs of the cluster with the CA of k3s.ca"])
    tls = machine.file(TLS)
    for name in NAMES:
        file = tls / f"{name}.crt"
        assert (certificate in file.read_text()) == (name == "server-ca"), "clients of the API need the whole chain"
        assert openssl("verify", "-CAfile", str(tmp_path / "own.pem"), str(file)) == f"{file}: OK\n"
        assert openssl("x509", "-in", str(file), "-noout", "-pubkey") == openssl(
            "pkey", "-in", str(tls / f"{name}.key"), "-pubout"
        )
        assert (tls / f"{name}.key").stat().st_mode & 0o777 == 0o600
    files = [file for file in machine.root.rglob("*") if file.is_file() and not file.is_symlink()]
    assert not [file for file in files if key.splitlines()[1].encode() in file.read_bytes()]


def test_a_client_certificate_of_the_own_ca_is_not_one_of_the_cluster(machine: FakeMachine, tmp_path: Path) -> None:
    certificate, key = own_ca()
    (tmp_path / "own.pem").write_text(certificate)
    (tmp_path / "own.key").write_text(key)
    create(machine, certificate, key)
    tv = str(tmp_path / "tv.pem")
    request = openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{tv}.key", "-subj", "/CN=tv.lan")
    openssl("x509", "-req", "-CA", str(tmp_path / "own.pem"), "-CAkey", str(tmp_path / "own.key"), "-set_serial", "1",
            "-out", tv, stdin=request)  # fmt: skip
    for name in ("client-ca", "request-header-ca", "etcd/peer-ca", "etcd/server-ca"):
        verify = ["openssl", "verify", "-partial_chain", "-CAfile", str(machine.file(f"{TLS}/{name}.crt")), tv]
        assert subprocess.run(verify, capture_output=True, check=False).returncode != 0


def test_a_bootstrap_that_failed_keeps_its_cas(machine: FakeMachine) -> None:
    certificate, key = own_ca()
    create(machine, certificate, key)
    before = machine.file(f"{TLS}/server-ca.crt").read_text()
    machine.file(f"{DATA}/server/db/etcd/name").write_text("")
    assert create(machine, certificate, key).progress == []
    assert machine.file(f"{TLS}/server-ca.crt").read_text() == before
    done = create(machine, *own_ca())
    assert (done.status, machine.file(f"{TLS}/server-ca.crt").read_text()) == (1, before)
    assert "An earlier bootstrap of a has failed, and has created the cluster without `k3s.ca`." in done.errors


def test_a_cluster_keeps_its_cas(machine: FakeMachine) -> None:
    certificate, key = own_ca()
    assert create(machine, certificate, key, CA="Y2E=").progress == []
    assert not machine.file(TLS).exists()
    for path in ("agent/client-kubelet.crt", "server/db/etcd/member/wal/0.wal", "server/tls/server-ca.crt"):
        machine.file(f"{DATA}/{path}").write_text("")
    assert create(machine, certificate, key).progress == []
    assert machine.file(f"{TLS}/server-ca.crt").read_text() == ""


@pytest.mark.parametrize(
    ("mistake", "reason"),
    [("other key", "do not match"), ("expired", "certificate has expired"), ("no key", "Could not read")],
)
def test_a_ca_that_cannot_sign_changes_nothing(machine: FakeMachine, mistake: str, reason: str) -> None:
    certificate, key = own_ca(days=-1 if mistake == "expired" else 30)
    keys = {"other key": own_ca()[1], "no key": "nothing"}
    done = create(machine, certificate, keys.get(mistake, key))
    assert done.status == 1
    assert "The CA of `k3s.ca` on a could not sign the CAs of the cluster:" in done.errors
    assert reason in done.errors
    assert not machine.file(TLS).exists()
