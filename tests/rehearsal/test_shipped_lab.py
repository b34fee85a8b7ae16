"""The sample stack files, from six bare machines to a cluster and back. The tests depend on their order."""

import base64
import json
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from components.platform.layer import LAYER_LABEL
from rehearsal import browser, web_uis
from rehearsal.paths import PROJECT
from rehearsal.shell import RehearsalError, run
from stacks.catalog import LAYERS
from tests.rehearsal.probes import resolve_api
from tests.rehearsal.rehearsed_lab import RehearsedLab, diagnostics, longest_outage, rehearse, wait_until
from tests.support import chromium
from tests.support.chromium import Chromium

pytestmark = pytest.mark.rehearsal

SERVERS = {"pi-1", "pi-2", "pi-3"}
AGENTS = {"pi-4", "elitedesk", "thinkcentre"}
LOGINS = "journalctl -q -o cat -t sshd | grep -c Accepted"
FILES = "cd / && find etc usr/local var/lib/rancher -xdev -type f | sort | xargs -d '\\n' sha256sum"
CHANGES_BY_ITSELF = r"etc/(resolv\.conf|\.updated|ld\.so\.cache|mtab|machine-id|systemd/timesyncd)|/90-rehearsal\.conf"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    folder = tmp_path_factory.mktemp("shipped")
    shipped = yaml.safe_load((PROJECT / "Pulumi.homelab.yaml").read_text())
    shop = folder / "Pulumi.shop.yaml"
    shop.write_text((PROJECT / shop.name).read_text().replace("platform: homelab", "platform: shipped"))
    with rehearse("shipped", shipped, folder, apps=[shop]) as found:
        yield found


@pytest.fixture(scope="module")
def untouched(lab: RehearsedLab) -> str:
    """Checksums of an agent's files before the first `pulumi up`."""
    return checksums(lab, "elitedesk")


def checksums(lab: RehearsedLab, machine: str) -> str:
    lines = lab.run_as_root(machine, FILES).splitlines()
    return "\n".join(line for line in lines if not re.search(CHANGES_BY_ITSELF, line))


def test_bare_machines_become_a_cluster(lab: RehearsedLab, untouched: str) -> None:
    # on a busy computer, the virtual IP may move while releases are installed; the next run then completes them
    code, said = lab.pulumi("up", "--yes", "--skip-preview")
    assert code == 0 or "connection reset by peer" in said, diagnostics(said)
    lab.up()
    assert lab.ready_nodes() == SERVERS | AGENTS
    assert lab.etcd_voters() == SERVERS
    labels = lab.kubectl("get", "nodes", "-l", "storage=true", "-o", "name").split()
    assert set(labels) == {"node/elitedesk", "node/thinkcentre"}


def test_kubelets_register_before_k3s_times_out(lab: RehearsedLab) -> None:
    for name in SERVERS | AGENTS:
        config = json.loads(lab.kubectl("get", "--raw", f"/api/v1/nodes/{name}/proxy/configz"))["kubeletconfig"]
        assert config["nodeStatusReportFrequency"] == "10s", name


def test_kubelets_report_no_disk_pressure(lab: RehearsedLab) -> None:
    for name in SERVERS | AGENTS:
        config = json.loads(lab.kubectl("get", "--raw", f"/api/v1/nodes/{name}/proxy/configz"))["kubeletconfig"]
        assert config["evictionHard"] == {"imagefs.available": "100Mi", "nodefs.available": "100Mi"}, name
        assert config["imageGCHighThresholdPercent"] == 100, name


def test_platform_is_complete(lab: RehearsedLab) -> None:
    secrets = yaml.safe_load(lab.kubectl("get", "secrets", "-A", "-l", "owner=helm", "-o", "yaml"))["items"]
    status = {each["metadata"]["labels"]["name"]: each["metadata"]["labels"]["status"] for each in secrets}
    charts = {
        chart.name
        for entry in LAYERS
        if entry.layer.key in lab.session.settings.platform.enabled_layers()
        for chart in entry.charts
    }
    assert status == dict.fromkeys(charts, "deployed")
    assert len(charts) == 7


def test_app_becomes_healthy(lab: RehearsedLab) -> None:
    lab.up(engine=lab.app_engine("shop"))
    ready = "jsonpath={.status.readyReplicas}"
    assert lab.kubectl("get", "deployment", "-n", "shop", "shop", "-o", ready) == "3"
    phase = ["get", "clusters.postgresql.cnpg.io", "-n", "shop", "shop-db", "-o", "jsonpath={.status.phase}"]
    assert lab.kubectl(*phase) == "Cluster in healthy state"
    assert re.search(r"Resources:\n +\d+ unchanged\n", lab.up(engine=lab.app_engine("shop")))


def test_app_has_rights_only_in_namespaces_of_apps(lab: RehearsedLab, tmp_path: Path) -> None:
    apps, group = tmp_path / "apps", "rbac.authorization.k8s.io"
    apps.touch(mode=0o600)
    apps.write_text(str(lab.session.engine.outputs()["appKubeconfig"]))
    state = json.loads(lab.app_engine("shop").capture("stack", "export", "--show-secrets"))["deployment"]["resources"]
    (provider,) = (each for each in state if each["type"] == "pulumi:providers:kubernetes")
    assert json.loads(provider["inputs"]["kubeconfig"]["plaintext"]) == apps.read_text()
    assert "homelab:apps-1" in lab.kubectl_as(apps, "auth", "whoami")
    assert "shop-db-app" in lab.kubectl_as(apps, "-n", "shop", "get", "secrets")
    layers = json.loads(lab.kubectl("get", "namespaces", "-l", LAYER_LABEL, "-o", "json"))["items"]
    others = {"kube-system", "default", *(each["metadata"]["name"] for each in layers)}
    assert len(others) == 2 + 6
    pods = json.loads(lab.kubectl("get", "pods", "-A", "-o", "json"))["items"]
    for namespace in sorted(others):
        metadata = {"name": "homelab:app", "namespace": namespace}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": namespace}}
        role = {"apiGroup": group, "kind": "ClusterRole", "name": "homelab:app"}
        binding = {"apiVersion": f"{group}/v1", "kind": "RoleBinding", "metadata": metadata, "roleRef": role}
        assert "(Forbidden)" in lab.kubectl_as(apps, "-n", namespace, "get", "secrets")
        for each in (secret, binding):
            assert "app stacks may write to namespaces of apps only" in lab.kubectl_as(
                apps, "create", "-f", "-", stdin=each
            )
        for pod in (each["metadata"] for each in pods if each["metadata"]["namespace"] == namespace):
            assert "(Forbidden)" in lab.kubectl_as(apps, "-n", namespace, "exec", pod["name"], "--", "true")
    role = {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"}
    more = {"apiVersion": f"{group}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "more"}, "roleRef": role}
    assert "(Forbidden)" in lab.kubectl_as(apps, "create", "-f", "-", stdin=more)


def test_app_has_its_certificate_and_ingress_address(lab: RehearsedLab) -> None:
    address = lab.session.engine.outputs()["ingressAddress"]
    (ingress,) = yaml.safe_load(lab.kubectl("get", "ingress", "-n", "shop", "-o", "yaml"))["items"]
    assert ingress["status"]["loadBalancer"]["ingress"] == [{"ip": address}]
    (tls,) = ingress["spec"]["tls"]
    secret = yaml.safe_load(lab.kubectl("get", "secret", "-n", "shop", tls["secretName"], "-o", "yaml"))
    certificate = x509.load_pem_x509_certificate(base64.b64decode(secret["data"]["tls.crt"]))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == tls["hosts"] == ["shop.lab.example.com"]
    assert lab.app_engine("shop").outputs()["urls"] == ["https://shop.lab.example.com"]


@pytest.fixture(scope="module")
def authority(lab: RehearsedLab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the lab's CA certificate to a file, as a device imports it."""
    file = tmp_path_factory.mktemp("authority") / "ca.pem"
    secret = json.loads(lab.kubectl("get", "secret", "-n", "cert-manager", "ca", "-o", "json"))
    file.write_bytes(base64.b64decode(secret["data"]["tls.crt"]))
    return file


def browse(lab: RehearsedLab, url: str, *options: str | Path) -> str:
    """Run curl on a computer in the LAN whose DNS resolves all names to the ingress address; return its output."""
    address = lab.session.engine.outputs()["ingressAddress"]
    leads = ["--connect-to", f"::{address}:"]
    return run(lab.lab.netns.command("curl", "-sS", "--max-time", "5", *leads, *options, url))


def test_lan_clients_reach_the_app_by_its_host(lab: RehearsedLab, authority: Path) -> None:
    url = "https://shop.lab.example.com/api/info"
    answers = {json.loads(browse(lab, url, "-f", "--cacert", authority))["hostname"] for _ in range(30)}
    assert len(answers) == 3, "all pods answer"
    with pytest.raises(RehearsalError, match="certificate"):
        browse(lab, url)  # without the CA certificate, curl does not trust the app's certificate


def test_app_sees_the_address_of_its_client(lab: RehearsedLab, authority: Path) -> None:
    headers = json.loads(browse(lab, "https://shop.lab.example.com/headers", "-f", "--cacert", authority))
    assert headers["X-Real-Ip"] == [lab.lab.address]
    assert headers["X-Forwarded-Proto"] == ["https"]


def test_http_requests_are_redirected_to_https(lab: RehearsedLab) -> None:
    said = browse(lab, "http://shop.lab.example.com/a?b=c", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}")
    assert said == "301 https://shop.lab.example.com/a?b=c"


def test_unknown_hosts_get_the_wildcard_certificate_and_404(lab: RehearsedLab, authority: Path) -> None:
    known: list[str | Path] = ["--cacert", authority, "-o", "/dev/null", "-w", "%{http_code}"]
    assert browse(lab, "https://nobody.lab.example.com/", *known) == "404"
    with pytest.raises(RehearsalError, match="certificate"):
        browse(lab, "https://nobody.example.org/", *known)


def test_a_web_ui_opens_in_this_computers_browser(lab: RehearsedLab) -> None:
    page = web_uis.select(web_uis.find_all(lab.lab), "shop")
    with browser.forwarded_web_ui(lab.lab, page, 0) as said:
        assert said.startswith("https://shop.lab.example.com/ answers with 200 OK.")
        (curl,) = re.findall(r"^  (curl .*)$", said, re.MULTILINE)
        assert json.loads(run([*shlex.split(curl), "--silent", "--fail"]))["message"] == "Hello from the lab"
        if chromium.INSTALLED:
            with Chromium().opened(said) as opened:
                opened.wait_for('<h1 id="message">Hello from the lab</h1>')


def request_from_pod(lab: RehearsedLab, path: str, *, pod: tuple[str, str], times: int = 1) -> str:
    """Send requests from a pod to the app's Service; return the responses."""
    service = lab.kubectl(
        "get", "service", "-n", "shop", "shop", "-o", "jsonpath={.spec.clusterIP}:{.spec.ports[0].port}"
    )
    # each request is a new connection, which any of the app's pods can get
    asks = f"for i in $(seq {times}); do curl -fsS --max-time 5 http://{service}{path} || exit; done"
    return lab.run_in_pod(*pod, f"sh -c '{asks}'")


TRAEFIK = ("traefik", "app.kubernetes.io/name=traefik")


def test_all_replicas_answer_with_their_configuration(lab: RehearsedLab) -> None:
    answers = request_from_pod(lab, "/api/info", pod=TRAEFIK, times=60)
    assert len(set(re.findall(r'"hostname": "(.*?)"', answers))) == 3
    environment = dict(each.partition("=")[::2] for each in json.loads(request_from_pod(lab, "/env", pod=TRAEFIK)))
    assert environment["PODINFO_UI_MESSAGE"] == "Hello from the lab"
    secret = yaml.safe_load(lab.kubectl("get", "secret", "-n", "shop", "shop-db-app", "-o", "yaml"))["data"]
    password = base64.b64decode(secret["password"]).decode()
    assert environment["PGPASSWORD"] == password
    assert password not in lab.app_engine("shop").capture("stack", "export", "--show-secrets")
    assert json.loads(request_from_pod(lab, "/configs", pod=TRAEFIK))["greeting"] == "three pods, one file\n"


def scale_shop(lab: RehearsedLab, **settings: object) -> str:
    """Run `pulumi up` of the app with these settings, and without its own autoscaling; return the output."""
    (file,) = lab.apps
    document = yaml.safe_load(file.read_text())
    own = document["config"]["homelab:app"]
    document["config"]["homelab:app"] = {key: value for key, value in own.items() if key != "autoscaling"} | settings
    file.write_text(yaml.safe_dump(document))
    lab.reopen()
    return lab.up(engine=lab.app_engine("shop"))


def pods_of_shop(lab: RehearsedLab) -> str:
    numbers = "jsonpath={.spec.replicas} {.status.readyReplicas}"
    return lab.kubectl("get", "deployment", "-n", "shop", "shop", "-o", numbers)


def test_an_autoscaler_owns_the_replicas_until_it_is_removed(lab: RehearsedLab) -> None:
    four = {"autoscaling": {"min": 4, "max": 5}}
    scale_shop(lab, **four)
    wait_until(lambda: pods_of_shop(lab) == "4 4", "the autoscaler scales the app to 4 pods")
    said = scale_shop(lab, **four, cpu="20m")
    assert re.search(r"~ 1 updated", said), said
    assert pods_of_shop(lab).startswith("4 ")
    scale_shop(lab, cpu="20m")
    wait_until(lambda: pods_of_shop(lab) == "3 3", "the app has 3 pods again")


def is_blocked(question: Callable[[], str]) -> bool:
    """Return whether the connection itself fails, as a NetworkPolicy makes it fail."""
    try:
        question()
    except RehearsalError as error:
        return re.search("timed out|Failed to connect", str(error)) is not None
    return False


def test_network_policies_block_unrelated_pods(lab: RehearsedLab) -> None:
    stranger = ("cert-manager", "app.kubernetes.io/name=cert-manager")
    to_api = "curl -sS --max-time 5 -k https://10.43.0.1/"
    # K3s enforces NetworkPolicies some time after pods start
    wait_until(
        lambda: is_blocked(lambda: request_from_pod(lab, "/healthz", pod=stranger)),
        "pods of other namespaces cannot connect",
        60,
    )
    wait_until(
        lambda: is_blocked(lambda: lab.run_in_pod("shop", "app.kubernetes.io/name=shop", to_api)),
        "the app is kept in",
        60,
    )
    assert "10.43.0.1" not in request_from_pod(lab, "/healthz", pod=TRAEFIK), "Traefik can still connect"


def test_databases_reach_only_the_api_on_its_port(lab: RehearsedLab) -> None:
    database = ("shop", "cnpg.io/cluster=shop-db")
    ask_api = "curl -sS --max-time 5 -k https://{}/version"
    # the virtual IP is on a server, but is not an endpoint of the API's Service
    away = ask_api.format(f"{lab.cluster['api']['vip']}:6443")
    wait_until(lambda: is_blocked(lambda: lab.run_in_pod(*database, away)), "the rest of the LAN is unreachable", 60)
    for _ in range(20):  # each connection can get another server
        assert "Unauthorized" in lab.run_in_pod(*database, ask_api.format("10.43.0.1"))


def test_cluster_dns_works(lab: RehearsedLab) -> None:
    assert resolve_api(lab, "thinkcentre") == "0a2b0001"


def test_kubeconfig_uses_the_vip(lab: RehearsedLab) -> None:
    outputs = lab.session.engine.outputs()
    assert outputs["endpoint"] == "https://192.168.1.240:6443"
    kubeconfig = yaml.safe_load(str(outputs["kubeconfig"]))
    assert kubeconfig["clusters"][0]["cluster"]["server"] == outputs["endpoint"]
    assert lab.vip_holder() in SERVERS


def test_each_machine_has_the_binary_of_its_architecture(lab: RehearsedLab) -> None:
    mirror = lab.session.artefacts.folder
    for node in lab.cluster["nodes"]:
        listed = (mirror / f"sha256sum-{node['arch']}.txt").read_text()
        program = {"arm64": "k3s-arm64", "amd64": "k3s"}[node["arch"]]
        installed = lab.run_as_root(node["name"], "sha256sum /usr/local/bin/k3s").split()[0]
        assert re.search(rf"^{installed}  {program}$", listed, re.MULTILINE)


def test_raspberry_pis_have_the_memory_cgroup(lab: RehearsedLab) -> None:
    line = lab.run_as_root("pi-4", "cat /boot/firmware/cmdline.txt")
    assert line.count("cgroup_enable=memory") == 1
    assert len(line.splitlines()) == 1


def test_second_up_changes_nothing_and_checks_each_machine_once(lab: RehearsedLab) -> None:
    before = {name: int(lab.run_as_root(name, LOGINS)) for name in SERVERS | AGENTS}
    said = lab.up()
    after = {name: int(lab.run_as_root(name, LOGINS)) for name in SERVERS | AGENTS}
    assert re.search(r"Resources:\n +\d+ unchanged\n", said)
    assert {name: after[name] - before[name] for name in after} == dict.fromkeys(after, 2)  # homelab's and this test's


def test_preview_needs_no_machine(lab: RehearsedLab, tmp_path: Path) -> None:
    """As in a pull request's workflow: in an empty network namespace, for a stack that does not exist yet."""
    engine = lab.session.engine
    environment = engine.environment | {"PULUMI_BACKEND_URL": f"file://{tmp_path}", "PULUMI_STACK": "new"}
    alone = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", str(engine.program)]
    run([*alone, "stack", "init", "new", "--no-select"], cwd=engine.folder, env=environment)
    preview = [*alone, "preview", "--config-file", str(engine.stack_file)]
    done = subprocess.run(preview, cwd=PROJECT, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\+ \d+ to create", done.stdout)


def app_answers(lab: RehearsedLab) -> bool:
    """Return whether the app answers at the ingress address."""
    try:
        return browse(lab, "https://shop.lab.example.com/healthz", "-fk", "--max-time", "1") != ""
    except RehearsalError:
        return False


@pytest.mark.parametrize("name", sorted(SERVERS | AGENTS))
def test_api_and_app_survive_the_power_loss_of_any_machine(lab: RehearsedLab, name: str) -> None:
    held, gaps = lab.vip_holder(), list[float]()

    def cut() -> None:
        lab.lab.power_off(name)
        wait_until(lambda: lab.api_answers() and app_answers(lab), "API and app answer again")

    gap = longest_outage(lab.api_answers, lambda: gaps.append(longest_outage(lambda: app_answers(lab), cut)))
    print(f"{name} lost its power while {held} held the virtual address: no answer through it for {gap:.1f} s")
    print(f"{name} lost its power: no answer of the app for {gaps[0]:.1f} s")
    assert lab.kubectl("get", "nodes", "-o", "name")
    lab.power_on(name)
    wait_until(lambda: lab.ready_nodes() == SERVERS | AGENTS and lab.etcd_voters() == SERVERS, f"{name} is back")


def test_app_is_removed_before_its_platform(lab: RehearsedLab) -> None:
    lab.pulumi_succeeds("destroy", "--yes", engine=lab.app_engine("shop"))
    assert "shop" not in lab.kubectl("get", "namespaces", "-o", "name")


def test_destroy_restores_the_machines(lab: RehearsedLab, untouched: str) -> None:
    lab.pulumi_succeeds("destroy", "--yes")
    assert checksums(lab, "elitedesk") == untouched
    for name in SERVERS | AGENTS:
        left = lab.run_as_root(name, "pgrep -x k3s; ls -d /etc/rancher /var/lib/homelab /var/lib/rancher/k3s; true")
        assert left == "", name
    assert "cgroup_enable" not in lab.run_as_root("pi-1", "cat /boot/firmware/cmdline.txt")
