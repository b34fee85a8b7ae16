"""Options of the cluster on one lab: ServiceLB, external addresses, data on another disk, registries, audit, manifests.

The tests depend on their order.
"""

import sys
from collections.abc import Iterator
from functools import partial

import pytest

from bench.labs import stack_document
from rehearsal import certificates
from rehearsal.paths import PROJECT
from rehearsal.programs import traefik
from rehearsal.server import HTTP_PORT
from rehearsal.shell import run
from tests.rehearsal.rehearsed_lab import RehearsedLab, rehearse, wait_until

pytestmark = pytest.mark.drill

DATA, DISK = "/var/lib/rancher/k3s", "/var/lib/rancher/disk"
CA_FILE, PORT = "/etc/ssl/registry-ca.pem", 5443
ADDRESSES = {"s1": "10.9.0.11", "a1": "10.9.0.21"}
SSH_ADDRESS = "10.9.0.221"
REWRITE = {"^own/(.*)": "library/$1"}
MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: greeting, namespace: default}\ndata: {text: hello}\n"
BEFORE = {
    "create": "command -v k3s >>/var/tmp/before || echo create $NODE without K3s >>/var/tmp/before",
    "update": "echo update >>/var/tmp/before",
    "delete": "echo delete >>/var/tmp/before",
}
AFTER = {
    "when": "afterK3s",
    "create": "test -x /usr/local/bin/k3s && echo create $ROLE >>/var/tmp/after",
    "delete": "echo delete >>/var/tmp/after",
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    document = stack_document(1, 1, k3s={"servicelb": True})
    document["config"]["homelab:platform"] = {"traefik": {"certificate": None}}
    with rehearse("options", document, tmp_path_factory.mktemp("options")) as found:
        own = certificates.ensure(found.lab.folder / "registry", found.lab.address)
        start_registry(found, own)
        registry = f"{found.lab.address}:{PORT}"
        found.cluster["k3s"] = {"servicelb": True, "audit": True, "manifests": {"greeting": MANIFEST}}
        found.cluster["registries"] = {
            "mirrors": {"registry.test": {"endpoints": [f"https://{registry}"], "rewrite": REWRITE}},
            "tls": {registry: {"caFile": CA_FILE}},
        }
        found.cluster["machine"] = {
            "files": {CA_FILE: {"content": own.ca.read_text()}},
            "commands": {"probe": BEFORE, "probe-of-node": AFTER},
        }
        found.node_settings("s1")["machine"] = {"mounts": {DATA: {"type": "bind", "device": DISK}}}
        for number, name in enumerate(ADDRESSES, 7):
            found.node_settings(name)["options"] = {"node-external-ip": f"203.0.113.{number}"}
        found.reopen()
        # the rehearsal puts its images into K3s' folder of data, which must be empty before the mount
        found.run_as_root("s1", f"mv {DATA} {DISK}")
        found.up()
        yield found


def start_registry(lab: RehearsedLab, own: certificates.Certificates) -> None:
    """Start a registry with a CA of its own in the lab's network."""
    script = PROJECT / "tests/drills/registry_proxy.py"
    mirror = f"http://{lab.lab.address}:{HTTP_PORT}"
    arguments = [lab.lab.address, str(PORT), str(own.server), str(own.key), mirror]
    lab.lab.netns.start([sys.executable, script, *arguments], lab.lab.folder / "registry.log", cwd=PROJECT)


def answer(lab: RehearsedLab, url: str) -> str:
    """Return the status and the body of an answer to a client in the LAN."""
    return run(lab.lab.netns.command("curl", "-sk", "--max-time", "10", "-w", " %{http_code}", url))


def has_traefik(lab: RehearsedLab, address: str) -> bool:
    return answer(lab, f"https://{address}/").endswith("404")


def commands_of(lab: RehearsedLab, machine: str, stage: str) -> list[str]:
    return lab.run_as_root(machine, f"cat /var/tmp/{stage}").splitlines()


def test_traefik_answers_at_the_address_of_every_node(lab: RehearsedLab) -> None:
    for address in ADDRESSES.values():
        wait_until(partial(has_traefik, lab, address), f"Traefik answers at {address}")
        assert answer(lab, f"https://{address}/") == "404 page not found\n 404"
        assert answer(lab, f"http://{address}/").endswith(("301", "308"))
    assert "metallb" not in lab.kubectl("get", "namespaces")


def test_nodes_have_external_addresses(lab: RehearsedLab) -> None:
    path = "{range .items[*]}{.metadata.name}={.status.addresses[?(@.type=='ExternalIP')].address} {end}"
    assert sorted(lab.kubectl("get", "nodes", "-o", f"jsonpath={path}").split()) == ["a1=203.0.113.8", "s1=203.0.113.7"]


def test_data_of_k3s_are_on_the_other_disk(lab: RehearsedLab) -> None:
    assert "wal" in lab.run_as_root("s1", f"ls {DISK}/server/db/etcd/member")
    assert lab.run_as_root("s1", "systemctl show -p RequiresMountsFor --value k3s").split() == [DATA]
    lab.lab.power_off("s1")
    lab.power_on("s1")
    wait_until(lambda: lab.ready_nodes() == {"s1", "a1"}, "both nodes are Ready")
    assert lab.run_as_root("s1", f"findmnt -n -o FSROOT {DATA}").strip().endswith("/disk")
    lab.up_changes_nothing()


def test_data_of_a_node_cannot_be_moved(lab: RehearsedLab) -> None:
    lab.node_settings("a1")["machine"] = {"mounts": {DATA: {"type": "bind", "device": DISK}}}
    lab.reopen()
    said = lab.up_fails()
    assert f"{DATA} contains K3s' data already, which cannot be moved while the machine is a node." in said
    assert "To move the data: remove a1 from `nodes`" in said
    del lab.node_settings("a1")["machine"]
    lab.reopen()
    lab.up()


def test_an_image_comes_from_a_registry_with_its_own_ca(lab: RehearsedLab) -> None:
    name = f"registry.test/own/traefik:v{traefik.VERSION}"
    for machine in ADDRESSES:
        lab.run_as_root(machine, f"k3s crictl pull {name}")
        assert name.rpartition(":")[0] in lab.run_as_root(machine, "k3s crictl images")


def test_the_api_server_writes_an_audit_log(lab: RehearsedLab) -> None:
    log = f"{DATA}/server/logs/audit.log"
    lab.kubectl("create", "configmap", "audited", "-n", "default")
    wait_until(lambda: "audited" in lab.run_as_root("s1", f"grep -h audited {log}"), "the log has the request")
    line = lab.run_as_root("s1", f'grep -h \'"verb":"create"\' {log} | grep audited')
    assert '"auditID"' in line and '"level":"Metadata"' in line  # noqa: PT018


def test_manifests_are_applied_and_removed(lab: RehearsedLab) -> None:
    get = ("get", "configmap", "greeting", "-n", "default", "--ignore-not-found", "-o", "jsonpath={.data.text}")
    assert lab.kubectl(*get) == "hello"
    del lab.cluster["k3s"]["manifests"]
    lab.reopen()
    lab.up()
    wait_until(lambda: lab.kubectl(*get) == "", "K3s has deleted the object")


def test_commands_ran_before_and_after_k3s(lab: RehearsedLab) -> None:
    for machine, role in (("s1", "server"), ("a1", "agent")):
        assert commands_of(lab, machine, "before") == [f"create {machine} without K3s"]
        assert commands_of(lab, machine, "after") == [f"create {role}"]


def test_changed_commands_run_once_and_in_turn(lab: RehearsedLab) -> None:
    commands = lab.cluster["machine"]["commands"]
    commands["probe"] = BEFORE | {"create": "echo other >>/var/tmp/before"}
    commands["probe-of-node"] = AFTER | {"triggers": ["2"]}
    lab.reopen()
    output = lab.up()
    assert "waiting for other servers to finish" in output
    for machine in ADDRESSES:
        assert commands_of(lab, machine, "before")[1:] == ["update"]
        assert commands_of(lab, machine, "after")[1] == "delete"
        assert commands_of(lab, machine, "after")[2].startswith("create")
    lab.up_changes_nothing()


def test_a_command_that_fails_is_named_and_run_again(lab: RehearsedLab) -> None:
    commands = lab.cluster["machine"]["commands"]
    commands["probe"] = BEFORE | {"update": "echo no such bus; false"}
    lab.reopen()
    said = lab.up_fails()
    assert "machine.commands.probe.update on s1 ended with status 1. Its output ends:" in said
    assert "no such bus" in said
    commands["probe"] = BEFORE | {"update": "echo fixed >>/var/tmp/before"}
    lab.reopen()
    lab.up()
    assert commands_of(lab, "a1", "before")[-1] == "fixed"


def test_homelab_connects_to_another_address_of_a_machine(lab: RehearsedLab) -> None:
    lab.run_as_root("a1", f"ip address add {SSH_ADDRESS}/24 dev eth0")
    lab.node_settings("a1")["ssh"] = {"address": SSH_ADDRESS}
    lab.reopen()
    connections = f"ss -Htn state established src {SSH_ADDRESS}:22"
    watch = f"while :; do {connections} | grep -q . && touch /var/tmp/seen; sleep 0.2; done"
    lab.run_as_root("a1", f"systemd-run -q --unit=watch sh -c '{watch}'")
    lab.up()
    lab.run_as_root("a1", "systemctl stop watch; test -e /var/tmp/seen")


def test_removed_commands_are_undone(lab: RehearsedLab) -> None:
    del lab.cluster["machine"]["commands"]
    lab.reopen()
    lab.up()
    for machine in ADDRESSES:
        assert commands_of(lab, machine, "before")[-1] == "delete"
        assert commands_of(lab, machine, "after")[-1] == "delete"
        assert lab.run_as_root(machine, "ls /var/lib/homelab/commands 2>/dev/null; true") == ""
    lab.up_changes_nothing()


def test_destroy_empties_the_disk_and_unmounts_it(lab: RehearsedLab) -> None:
    lab.pulumi_succeeds("destroy", "--yes", "--skip-preview")
    assert lab.run_as_root("s1", f"ls {DISK}") == ""
    left = "ls -d /etc/systemd/system/var-lib-rancher* /etc/systemd/system/k3s.service.d 2>/dev/null; true"
    assert lab.run_as_root("s1", left) == ""
