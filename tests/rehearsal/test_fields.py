"""Each configuration field is changed once on a running lab: the change takes effect, or is rejected with a reason.

`OUTCOMES` in `tests/unit/cluster/test_outcomes.py` lists all fields.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.labs import stack_document
from components.cluster.k3s.hardening import AUDIT_LOG, CIPHERS
from rehearsal import images, recipes, tools
from rehearsal.artefacts import HOST
from rehearsal.images import NOBODY, Image
from rehearsal.registry import offer
from rehearsal.server import HTTP_PORT
from rehearsal.shell import RehearsalError
from tests.rehearsal.probes import (
    METRICS_SERVER_LABELS,
    apply,
    pod_behind_proxy,
    pod_manifest,
    resolve_api,
    service_manifest,
    tls_succeeds,
)
from tests.rehearsal.rehearsed_lab import RehearsedLab, rehearse, wait_until
from tests.support.files_over_http import serve_files


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    with rehearse(
        "fields", stack_document(1, 1, k3s={"version": "v1.35.1+k3s1"}), tmp_path_factory.mktemp("fields")
    ) as found:
        found.up()
        yield found


CHANGED: dict[str, Any] = {
    "name": "renamed",
    "domain": "other.test",
    "api": {"vip": "10.9.0.101", "tlsSans": ["api.other.test"]},
    "k3s": {
        "version": "v1.36.3+k3s1",
        "snapshots": {
            "schedule": "5 4 * * *",
            "retention": 9,
            "s3": {
                "endpoint": "10.9.0.200:9000",
                "bucket": "snaps",
                "region": "eu-test-1",
                "folder": "lab",
                "retention": 7,
                "accessKey": {"secret": "s3Access"},
                "secretKey": {"secret": "s3Secret"},
            },
        },
        "disable": ["metrics-server"],
        "options": {"kubelet-arg": ["max-pods=111"]},
        "serverOptions": {"kube-apiserver-arg": ["default-watch-cache-size=101"]},
        "agentOptions": {"node-external-dns": ["a1.other.test"]},
    },
    "hardening": "cis",
    "registries": {
        "embedded": True,
        "mirrors": {"registry.test": {"endpoints": ["https://10.9.0.200:5000"]}},
        "auth": {"registry.test": {"username": "lab", "password": {"secret": "registry"}}},
    },
}


@pytest.mark.rehearsal
def test_changes_take_effect(lab: RehearsedLab) -> None:
    for name in ("s3Access", "s3Secret", "registry"):
        lab.document["config"][f"homelab:{name}"] = {"secure": "v1:c2FtcGxl:c2FtcGxl"}
    lab.cluster.update(CHANGED)
    lab.node_settings("a1").update(labels={"disk": "fast"}, taints=["only=me:PreferNoSchedule"])
    lab.node_settings("a1").update(options={"kubelet-arg": ["max-pods=99"]})
    lab.reopen()
    lab.up()
    assert lab.ready_nodes() == {"s1", "a1"}


@pytest.mark.rehearsal
def test_the_cluster_has_the_changes(lab: RehearsedLab) -> None:
    outputs = lab.session.engine.outputs()
    assert (outputs["name"], outputs["domain"]) == ("renamed", "other.test")
    kubeconfig = yaml.safe_load(str(outputs["kubeconfig"]))
    assert kubeconfig["current-context"] == "renamed"
    assert kubeconfig["clusters"][0]["cluster"]["server"] == "https://10.9.0.101:6443"
    nodes = {item["metadata"]["name"]: item for item in json.loads(lab.kubectl("get", "nodes", "-o", "json"))["items"]}
    assert {node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes.values()} == {"v1.36.3+k3s1"}
    assert (nodes["s1"]["status"]["capacity"]["pods"], nodes["a1"]["status"]["capacity"]["pods"]) == ("111", "99")
    assert nodes["a1"]["metadata"]["labels"]["disk"] == "fast"
    assert nodes["a1"]["spec"]["taints"] == [{"key": "only", "value": "me", "effect": "PreferNoSchedule"}]
    assert "metrics-server" not in lab.kubectl("-n", "kube-system", "get", "deployments", "-o", "name")


@pytest.mark.rehearsal
def test_the_machines_have_the_changes(lab: RehearsedLab) -> None:
    config = yaml.safe_load(lab.run_as_root("s1", "cat /etc/rancher/k3s/config.yaml"))
    assert config["etcd-snapshot-schedule-cron"] == "5 4 * * *"
    assert config["etcd-snapshot-retention"] == 9
    assert config["etcd-s3-endpoint"] == "10.9.0.200:9000"
    assert (config["etcd-s3-bucket"], config["etcd-s3-region"], config["etcd-s3-folder"]) == (
        "snaps",
        "eu-test-1",
        "lab",
    )
    assert config["etcd-s3-retention"] == 7
    assert config["embedded-registry"] is True
    assert yaml.safe_load(lab.run_as_root("a1", "cat /etc/rancher/k3s/config.yaml"))["node-external-dns"] == [
        "a1.other.test"
    ]
    secret = yaml.safe_load(lab.run_as_root("s1", "cat /etc/rancher/k3s/config.yaml.d/secrets.yaml"))
    assert secret == {"etcd-s3-access-key": "rehearsal-s3Access", "etcd-s3-secret-key": "rehearsal-s3Secret"}
    assert "before-v1.36.3-k3s1-s1-" in lab.run_as_root("s1", "ls /var/lib/rancher/k3s/server/db/snapshots")
    modes = lab.run_as_root(
        "s1", "stat -c %a /etc/rancher/k3s/config.yaml.d/secrets.yaml /etc/rancher/k3s/registries.yaml"
    )
    assert modes.split() == ["600", "600"]
    for machine in ("s1", "a1"):
        registries = yaml.safe_load(lab.run_as_root(machine, "cat /etc/rancher/k3s/registries.yaml"))
        ours = f"http://{lab.lab.address}:{HTTP_PORT}"
        assert registries["mirrors"] == {
            "registry.test": {"endpoint": [ours, "https://10.9.0.200:5000"]},
            "*": {"endpoint": [ours]},
        }
        login = {"username": "lab", "password": "rehearsal-registry"}
        assert registries["configs"] == {"registry.test": {"auth": login}}
    assert "10.9.0.101/24" in lab.run_as_root("s1", "cat /etc/keepalived/keepalived.conf")
    certificates = "--cacert /var/lib/rancher/k3s/server/tls/server-ca.crt"
    named = f"curl -fsS {certificates} --resolve api.other.test:6443:10.9.0.11 https://api.other.test:6443/ping"
    assert lab.run_as_root("s1", named) == "pong"


@pytest.mark.rehearsal
def test_hardened_namespaces_accept_only_restricted_pods(lab: RehearsedLab, tmp_path: Path) -> None:
    with pytest.raises(RehearsalError, match='violates PodSecurity "restricted:latest": privileged'):
        apply(lab, tmp_path, pod_manifest("default", "privileged", "a1", {}, {"privileged": True}))
    apply(lab, tmp_path, pod_manifest("default", "plain", "a1", {}))
    lab.kubectl("wait", "--for=condition=Ready", "pod/plain", "--timeout=120s")
    assert lab.kubectl("get", "pod", "plain", "-o", "jsonpath={.spec.volumes}") == ""
    outside = service_manifest("default", "outside", {})
    outside["spec"]["externalIPs"] = ["10.9.0.200"]
    with pytest.raises(RehearsalError, match="external IPs is denied by admission control"):
        apply(lab, tmp_path, outside)


@pytest.mark.rehearsal
def test_dns_and_metrics_work_in_a_hardened_network(lab: RehearsedLab, tmp_path: Path) -> None:
    assert resolve_api(lab, "a1") == "0a2b0001"
    closed = {"app": "closed"}
    apply(
        lab,
        tmp_path,
        pod_manifest("kube-system", "metrics", "a1", METRICS_SERVER_LABELS),
        service_manifest("kube-system", "metrics", METRICS_SERVER_LABELS),
    )
    apply(
        lab,
        tmp_path,
        pod_manifest("kube-system", "closed", "a1", closed),
        service_manifest("kube-system", "closed", closed),
    )
    lab.kubectl("-n", "kube-system", "wait", "--for=condition=Ready", "pod/metrics", "pod/closed", "--timeout=120s")
    wait_until(lambda: pod_behind_proxy(lab, "kube-system", "metrics") == "metrics", "the API reaches the Service")
    with pytest.raises(RehearsalError, match="ServiceUnavailable"):
        pod_behind_proxy(lab, "kube-system", "closed")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """Serve a registry with the image lab/web:1 on this computer, outside the lab's network."""
    for name in ("layout", "mirror"):
        (tmp_path / name).mkdir()
    program = tools.obtain_program(recipes.podinfo(), print)
    image = Image.of("docker.io/lab/web:1", program, NOBODY)
    offer(tmp_path / "state", [images.lay_out((image,), tmp_path / "layout", HOST)])
    with serve_files(tmp_path / "mirror", tmp_path / "state") as url:
        yield url.removeprefix("http://")


@pytest.mark.rehearsal
def test_images_come_from_their_registry(lab: RehearsedLab, registry: str, tmp_path: Path) -> None:
    apply(lab, tmp_path, pod_manifest("default", "pulled", "a1", {}, image=f"{registry}/lab/web:1"))
    lab.kubectl("wait", "--for=condition=Ready", "pod/pulled", "--timeout=120s")
    apply(lab, tmp_path, pod_manifest("default", "absent", "a1", {}, image=f"{registry}/lab/other:1"))
    said = "jsonpath={.status.containerStatuses[0].state.waiting.message}"
    wait_until(
        lambda: "not found" in lab.kubectl("get", "pod", "absent", "-o", said), "the pod reports the missing image"
    )
    lab.kubectl("delete", "pod", "pulled", "absent", "--now")


@pytest.mark.rehearsal
def test_hardened_servers_accept_only_strong_ciphers_and_known_clients(lab: RehearsedLab) -> None:
    for machine, port in (("s1", 6443), ("s1", 10250), ("a1", 10250)):
        assert tls_succeeds(lab, machine, port, "--tls-max 1.2", "--ciphers ECDHE-ECDSA-AES128-GCM-SHA256")
        assert not tls_succeeds(lab, machine, port, "--tls-max 1.2", "--ciphers ECDHE-ECDSA-AES128-SHA")
        assert not tls_succeeds(lab, machine, port, "--tls-max 1.1", "--ciphers DEFAULT@SECLEVEL=0")
    assert not tls_succeeds(lab, "s1", 2379, "--tls-max 1.2")  # etcd requires a client certificate
    assert lab.api_answers()
    status = lab.run_as_root("a1", "curl -ks -o /dev/null -w '%{http_code}' https://127.0.0.1:10250/pods")
    assert status == "401"


@pytest.mark.rehearsal
def test_hardened_servers_write_an_audit_log(lab: RehearsedLab) -> None:
    events = [json.loads(line) for line in lab.run_as_root("s1", f"cat {AUDIT_LOG}").splitlines()]
    refused = [e for e in events if e["verb"] == "create" and e.get("responseStatus", {}).get("code") == 403]
    assert "pods" in {event["objectRef"]["resource"] for event in refused}
    assert "secrets" in {event["objectRef"]["resource"] for event in events if "objectRef" in event}
    assert not [event for event in events if "requestObject" in event or "responseObject" in event]
    assert "Encryption Status: Enabled" in lab.run_as_root("s1", "k3s secrets-encrypt status")


RUNS_WITH = {
    "kube-apiserver": """
        --audit-log-maxage=30 --audit-log-maxbackup=10 --audit-log-maxsize=100 --authorization-mode=Node,RBAC
        --client-ca-file= --enable-admission-plugins=NodeRestriction,EventRateLimit,DenyServiceExternalIPs
        --encryption-provider-config= --etcd-cafile= --etcd-certfile= --etcd-keyfile= --profiling=false
        --kubelet-certificate-authority= --kubelet-client-certificate= --kubelet-client-key= --tls-cert-file=
        --tls-private-key-file= --service-account-extend-token-expiration=false --service-account-key-file=
    """,
    "kube-controller-manager": """
        --bind-address=127.0.0.1 --profiling=false --root-ca-file= --service-account-private-key-file=
        --terminated-pod-gc-threshold=100 --use-service-account-credentials=true
    """,
    "kube-scheduler": "--bind-address=127.0.0.1 --profiling=false",
}
RUNS_WITHOUT = ("token-auth-file", "AlwaysAdmit", "AlwaysAllow", "disable-admission-plugins", "request-timeout")


@pytest.mark.rehearsal
def test_hardened_control_plane_runs_as_configured(lab: RehearsedLab) -> None:
    for program, arguments in RUNS_WITH.items():
        running = lab.run_as_root("s1", f"journalctl -q -o cat -u k3s | grep 'Running {program} ' | tail -n 1")
        assert [each for each in arguments.split() if f" {each}" not in running] == []
        assert [each for each in RUNS_WITHOUT if each in running] == []
    etcd = yaml.safe_load(lab.run_as_root("s1", "cat /var/lib/rancher/k3s/server/db/etcd/config"))
    client, peer = etcd["client-transport-security"], etcd["peer-transport-security"]
    assert client["client-cert-auth"] is True
    assert peer["client-cert-auth"] is True
    assert client["trusted-ca-file"] != peer["trusted-ca-file"]
    assert not client.get("auto-tls")
    assert not peer.get("auto-tls")


@pytest.mark.rehearsal
def test_hardened_kubelets_run_as_configured(lab: RehearsedLab) -> None:
    for node in ("s1", "a1"):
        config = json.loads(lab.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/configz"))["kubeletconfig"]
        assert config["protectKernelDefaults"] is True
        assert config["podPidsLimit"] == 4096
        assert config["streamingConnectionIdleTimeout"] == "5m0s"
        assert config["makeIPTablesUtilChains"] is True
        assert (config["tlsMinVersion"], config["tlsCipherSuites"]) == ("VersionTLS12", list(CIPHERS))
        assert config["authentication"]["anonymous"]["enabled"] is False
        assert (config["authorization"]["mode"], bool(config["tlsCertFile"])) == ("Webhook", True)
        assert lab.run_as_root(node, "ss -Hltn sport = :10249").split()[3] == "127.0.0.1:10249"  # kube-proxy's metrics
        assert config.get("readOnlyPort", 0) == 0
    running = "for each in $(pgrep -x coredns); do cat /proc/$each/status; done"
    statuses = [lab.run_as_root(node, running) for node in ("s1", "a1")]  # the scheduler chooses the node
    assert "Seccomp:\t2" in "".join(statuses)


@pytest.mark.rehearsal
def test_only_root_can_read_hardened_files(lab: RehearsedLab) -> None:
    server = "var/lib/rancher/k3s/server"
    folders = f"etc/rancher/k3s {server} {server}/tls {server}/cred {server}/db/etcd"
    modes = lab.run_as_root("s1", f"cd / && stat -c '%a %U:%G' {folders} {AUDIT_LOG} etc/rancher/k3s/*.yaml")
    assert set(modes.splitlines()) == {"700 root:root", "600 root:root"}
    keys = "/var/lib/rancher/k3s/server/tls /var/lib/rancher/k3s/server/cred /var/lib/rancher/k3s/agent"
    names = "-name '*.key' -o -name '*.kubeconfig' -o -name token -o -name passwd -o -name 'encryption-*'"
    loose = f"find {keys} -xdev -path '*/containerd' -prune -o -type f \\( {names} \\) ! -perm 600 -print"
    assert lab.run_as_root("s1", loose) == ""
    assert lab.run_as_root("a1", f"{loose.replace('/var/lib/rancher/k3s/server', '/nowhere')} 2>/dev/null; true") == ""


@pytest.mark.rehearsal
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"network": {"pods": ["10.77.0.0/16"]}}, "was: network.pods: 10.42.0.0/16"),
        ({"network": {"services": ["10.78.0.0/16"]}}, "was: network.services: 10.43.0.0/16"),
        ({"network": {"cni": "none"}}, "was: network.cni: flannel"),
        ({"network": {"flannelBackend": "host-gw"}}, "was: network.flannelBackend: vxlan"),
        ({"k3s": {"version": "v1.35.1+k3s1"}}, "K3s cannot be downgraded, from v1.36.3+k3s1 to v1.35.1+k3s1"),
        ({"k3s": {"version": "v1.38.0+k3s1"}}, "Upgrade from v1.36.3+k3s1 to the newest v1.37 first"),
        ({"a1": {"address": "10.9.0.77"}}, "was: nodes[a1].address: 10.9.0.21"),
        ({"k3s": {"secretsEncryption": False}, "": {"hardening": "default"}}, "was: k3s.secretsEncryption: true"),
        ({"a1": {"arch": "arm"}}, "This machine is amd64, but its `arch` in the stack file is arm."),
        ({"a1": {"interface": "nowhere0"}}, "This machine has no interface nowhere0;"),
        ({"a1": {"name": "a9"}}, "This machine is the node a1; it cannot be a9 as well."),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_changes_are_refused(lab: RehearsedLab, change: dict[str, dict[str, Any]], reason: str) -> None:
    stack_file = lab.session.engine.stack_file
    whole = stack_file.read_text()
    document = yaml.safe_load(whole)
    cluster = document["config"]["homelab:cluster"]
    for place, values in change.items():
        node = next((node for node in cluster["nodes"] if node["name"] == place), None)
        ((cluster.setdefault(place, {}) if place else cluster) if node is None else node).update(values)
    stack_file.write_text(yaml.safe_dump(document))
    lab.run_as_root("a1", "ip address replace 10.9.0.77/24 dev eth0")
    said = lab.up_fails()
    stack_file.write_text(whole)
    assert reason in said


@pytest.mark.rehearsal
def test_role_and_address_are_refused(lab: RehearsedLab) -> None:
    """Role and address are among the recorded settings that cannot change; the lab cannot simulate other ones."""
    state = lab.run_as_root("a1", "cat /var/lib/homelab/fixed")
    assert "nodes[a1].role: agent" in state
    assert "nodes[a1].address: 10.9.0.21" in state


@pytest.mark.rehearsal
def test_refused_changes_leave_no_trace(lab: RehearsedLab) -> None:
    lab.up()
    assert lab.ready_nodes() == {"s1", "a1"}


@pytest.mark.rehearsal
def test_changed_ssh_settings_run_nothing(lab: RehearsedLab) -> None:
    before = lab.run_as_root("a1", "cat /var/lib/homelab/applied; stat -c %Y /var/lib/homelab/wanted")
    lab.run_as_root("a1", "useradd -m -s /bin/bash other; install -d -o other /home/other/.ssh")
    lab.run_as_root("a1", "install -o other /home/pi/.ssh/authorized_keys /home/other/.ssh/authorized_keys")
    lab.run_as_root("a1", "echo 'other ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/other; /usr/sbin/sshd -p 2222")
    config = lab.session.engine.stack_file
    whole = yaml.safe_load(config.read_text())
    cluster = whole["config"]["homelab:cluster"]
    a1 = next(node for node in cluster["nodes"] if node["name"] == "a1")
    s1 = next(node for node in cluster["nodes"] if node["name"] == "s1")
    key = cluster["ssh"]["privateKey"]
    bastion = {"address": s1["address"], "user": "pi", "port": 22, "hostKey": s1["hostKey"], "privateKey": key}
    a1["ssh"] = {"user": "other", "port": 2222, "privateKey": key, "bastion": bastion, "sudo": True}
    config.write_text(yaml.safe_dump(whole))
    said = lab.up()
    assert "==> " not in said
    after = lab.run_as_root("a1", "cat /var/lib/homelab/applied; stat -c %Y /var/lib/homelab/wanted")
    assert after == before
    assert "from 10.9.0.11" in lab.run_as_root(
        "a1", "journalctl -q -o cat -t sshd | grep 'Accepted publickey for other'"
    )
    a1["ssh"]["user"] = "nobody"
    config.write_text(yaml.safe_dump(whole))
    assert "a1 (10.9.0.21) refuses the SSH login of user nobody" in lab.up_fails()
    lab.reopen()
    lab.up()
