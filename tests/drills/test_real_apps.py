"""Six apps with their real programs on one lab, each used as its users use it; four of them are samples.

The programs are built from Go modules and Debian packages. AdGuard Home runs without the files of its web UI.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bench.labs import stack_document
from rehearsal import upstream
from rehearsal.programs import catalog
from tests.drills import real_app_images as images
from tests.drills.lan_clients import Browser, DebianClients
from tests.drills.measurements import Recorder, timed
from tests.drills.real_apps import ADMIN, DNS, MQTT, PLATFORM, apps
from tests.drills.stack_files import write_stack_file
from tests.drills.traffic import Traffic
from tests.rehearsal.rehearsed_lab import RehearsedLab, diagnostics, rehearse, wait_until

pytestmark = pytest.mark.drill

SECRETS = ("minifluxAdmin", "mqttPasswords")
READER, ADGUARD = "reader:reader-word", "me:adguard-word"
"""Users and passwords, which the drill creates."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    folder = tmp_path_factory.mktemp("real")
    document = stack_document(1, 1, apps={"podSecurity": "baseline"})
    document["config"]["homelab:platform"] = PLATFORM
    file = folder / "Pulumi.home.yaml"
    write_stack_file(file, *SECRETS, apps=apps())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "PROGRAMS", (*catalog.PROGRAMS, *images.PROGRAMS))
        patch.setattr(upstream, "reachable", lambda: False)  # with Internet access, the rehearsal builds no programs
        with rehearse("real", document, folder, [file]) as found:
            found.up()
            yield found


@pytest.fixture(scope="module")
def browser(lab: RehearsedLab, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    return Browser(lab, tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="module")
def clients(lab: RehearsedLab, tmp_path_factory: pytest.TempPathFactory) -> DebianClients:
    return DebianClients(lab, images.clients(), tmp_path_factory.mktemp("clients"))


def restart(lab: RehearsedLab, name: str) -> None:
    """Delete the pod of an app with one pod, and wait until its successor is ready."""
    lab.kubectl("delete", "pod", "-n", name, f"{name}-0")
    lab.kubectl("rollout", "status", "-n", name, f"statefulset/{name}", "--timeout=120s")


def logs(lab: RehearsedLab, name: str) -> str:
    return lab.kubectl("logs", "-n", name, "-l", f"app.kubernetes.io/name={name}", "-c", name, "--tail=-1")


def enforced_level(lab: RehearsedLab, namespace: str) -> str:
    labels = json.loads(lab.kubectl("get", "namespace", namespace, "-o", "json"))["metadata"]["labels"]
    return str(labels["pod-security.kubernetes.io/enforce"])


def test_six_apps_are_deployed_in_one_stack(lab: RehearsedLab, clients: DebianClients, record: Recorder) -> None:
    clients.run("mosquitto_passwd", "-c", "-b", "/tmp/passwords", "hub", "hub-word")
    passwords = (clients.folder / "passwords").read_text()
    engine = lab.app_engine("home")
    lab.pulumi_succeeds("config", "set", "--secret", "homelab:mqttPasswords", passwords, engine=engine)
    with timed(record, "six apps with their real programs"):
        said = lab.up(engine=engine)
    assert "namespace welcome has the Pod Security level baseline because of the app's" in said, diagnostics(said)
    assert " unchanged\n" in lab.up("--expect-no-changes", engine=engine)
    names = lab.kubectl("get", "pods", "-A", "-o", "jsonpath={.items[*].metadata.annotations}")
    for name in apps().keys() - {"platform"}:
        assert f"rehearsal.homelab/{name}" not in names, "the program of the app runs, not its stand-in"


def test_the_job_before_succeeds_at_its_first_attempt(lab: RehearsedLab, record: Recorder) -> None:
    (job,) = json.loads(lab.kubectl("get", "jobs", "-n", "miniflux", "-o", "json"))["items"]
    assert not job["status"].get("failed"), job["status"]
    pods = json.loads(lab.kubectl("get", "pods", "-A", "-o", "json"))["items"]
    restarts = {
        pod["metadata"]["name"]: state["restartCount"]
        for pod in pods
        if pod["metadata"]["namespace"] in apps()
        for state in pod["status"].get("containerStatuses", ())
        if state["restartCount"]
    }
    record("restarts of the apps' containers", str(restarts or "none"))


def test_each_namespace_has_the_level_that_its_app_needs(lab: RehearsedLab) -> None:
    outputs: Any = lab.app_engine("home").outputs()["apps"]
    for name, settings in outputs.items():
        assert settings["podSecurity"] == enforced_level(lab, name)
        stricter = ["pod-security.kubernetes.io/enforce=restricted", "--overwrite", "--dry-run=server"]
        said = lab.kubectl_as(lab.lab.kubeconfig, "label", "namespace", name, *stricter)
        assert ("existing pods in namespace" in said) == (settings["podSecurity"] == "baseline"), said
    needed = {
        name: settings["podSecurity"] for name, settings in outputs.items() if settings["podSecurity"] != "restricted"
    }
    assert needed == {"adguard-home": "baseline", "welcome": "baseline"}


def test_a_name_is_resolved_over_udp_and_tcp(lab: RehearsedLab, browser: Browser, clients: DebianClients) -> None:
    url = "https://adguard.lab.test/control"
    user, password = ADGUARD.split(":")
    setup = {"web": {"ip": "0.0.0.0", "port": 3000}, "dns": {"ip": "0.0.0.0", "port": 53}}
    browser.call(f"{url}/install/configure", ADGUARD, {**setup, "username": user, "password": password})
    wait_until(lambda: browser.status(f"{url}/status", "-u", ADGUARD) == "200", "AdGuard Home is set up", 60)
    browser.call(f"{url}/rewrite/add", ADGUARD, {"domain": "nas.home", "answer": "10.9.0.99", "enabled": True})
    for protocol in ("+notcp", "+tcp"):
        assert clients.resolve("nas.home", DNS, protocol) == ["10.9.0.99"]
    queries = browser.call(f"{url}/querylog?search=nas.home", ADGUARD)["data"]
    assert {each["client"] for each in queries} == {lab.lab.address}, "the app sees the address of its client"


def test_the_settings_of_the_resolver_survive_its_pod(lab: RehearsedLab, clients: DebianClients) -> None:
    restart(lab, "adguard-home")
    wait_until(lambda: clients.resolve("nas.home", DNS) == ["10.9.0.99"], "the new pod answers", 60)


def test_messages_are_delivered_to_authenticated_clients(lab: RehearsedLab, clients: DebianClients) -> None:
    login = ["-h", MQTT, "-u", "hub", "-P", "hub-word"]
    listening = subprocess.Popen(
        clients.command("mosquitto_sub", *login, "-t", "home/#", "-C", "1", "-W", "30", "-v"),
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    while listening.poll() is None:
        clients.run("mosquitto_pub", *login, "-t", "home/kitchen", "-m", "21.5")
        time.sleep(0.5)
    assert listening.communicate()[0] == "home/kitchen 21.5\n"
    assert listening.returncode == 0
    refused = clients.run("mosquitto_pub", *login[:4], "-P", "wrong", "-t", "home/kitchen", "-m", "0", code=5)
    assert "not authorised" in refused
    assert "permissions" not in logs(lab, "mosquitto"), "the secret file is readable by the app only"


def test_a_retained_message_survives_the_pod_of_the_broker(lab: RehearsedLab, clients: DebianClients) -> None:
    login = ["-h", MQTT, "-u", "hub", "-P", "hub-word"]
    clients.run("mosquitto_pub", *login, "-t", "home/door", "-m", "open", "-q", "1", "--retain")
    restart(lab, "mosquitto")
    assert clients.run("mosquitto_sub", *login, "-t", "home/door", "-C", "1", "-W", "30") == "open\n"


def log_in(browser: Browser, account: str, cookies: str) -> None:
    user, password = account.split(":")
    url = "https://rss.lab.test"
    redirected = browser.send_form(f"{url}/", f"{url}/login", cookies, username=user, password=password)
    assert redirected == f"302 {url}/unread"
    assert browser.status(f"{url}/unread", cookies=cookies) == "200"


def test_users_log_in_and_create_an_account(browser: Browser) -> None:
    url = "https://rss.lab.test"
    log_in(browser, ADMIN, "admin")
    user, password = READER.split(":")
    account = {"username": user, "password": password, "confirmation": password}
    assert browser.send_form(f"{url}/user/create", f"{url}/user/save", "admin", **account) == f"302 {url}/users"
    log_in(browser, READER, "reader")
    assert browser.status(f"{url}/user/create", cookies="reader") == "403", "the new user is no administrator"
    assert browser.call(f"{url}/v1/me", READER)["username"] == user


def test_a_version_with_migrations_is_rolled_out_under_traffic(
    lab: RehearsedLab, browser: Browser, record: Recorder
) -> None:
    url = "https://rss.lab.test"
    assert browser.call(f"{url}/v1/version", READER)["version"] == "2.2.19"
    write_stack_file(lab.apps[0], *SECRETS, apps=apps(image=images.NEW_MINIFLUX))
    lab.reopen()
    with Traffic(lambda _: browser.answers(f"{url}/healthcheck")) as traffic:
        lab.up(engine=lab.app_engine("home"))
    record("Miniflux 2.2.19 upgraded to 2.3.5, with migrations of its database", str(traffic))
    assert traffic.failing == 0, str(traffic)
    assert browser.call(f"{url}/v1/version", READER)["version"] == "2.3.5"
    log_in(browser, READER, "later")
    jobs = json.loads(lab.kubectl("get", "jobs", "-n", "miniflux", "-o", "json"))["items"]
    used = {each["spec"]["template"]["spec"]["containers"][0]["image"] for each in jobs}
    assert used == {images.NEW_MINIFLUX}


def scrape(lab: RehearsedLab, name: str, namespace: str) -> str:
    """Read the metrics of an app's pod from a pod of another namespace."""
    pods = json.loads(lab.kubectl("get", "pods", "-n", name, "-l", f"app.kubernetes.io/name={name}", "-o", "json"))
    address = pods["items"][0]["status"]["podIP"]
    monitor = json.loads(lab.kubectl("get", "podmonitor", "-n", name, name, "-o", "json"))["spec"]
    (endpoint,) = monitor["podMetricsEndpoints"]
    url = f"http://{address}:{endpoint['portNumber']}{endpoint['path']}"
    labels = {"monitoring": "app.kubernetes.io/name=grafana", "clock": "app.kubernetes.io/name=clock"}[namespace]
    return lab.run_in_pod(namespace, labels, f"curl -sS --max-time 5 {url} || true")


@pytest.mark.parametrize(("name", "metric"), [("miniflux", "miniflux_users"), ("gatus", "gatus_results_total")])
def test_metrics_answer_to_prometheus_only(lab: RehearsedLab, name: str, metric: str) -> None:
    assert metric in scrape(lab, name, "monitoring")
    assert metric not in scrape(lab, name, "clock")


def test_the_status_page_probes_other_apps(browser: Browser) -> None:
    def healthy() -> bool:
        statuses = json.loads(browser.get("https://status.lab.test/api/v1/endpoints/statuses"))
        latest = {each["name"]: each["results"][-1]["success"] for each in statuses}
        print(json.dumps(statuses)[-2000:], flush=True)
        return latest == dict.fromkeys(("host", "service", "resolver"), True)

    wait_until(healthy, "all probes of Gatus succeed", 150)


def test_the_cron_job_and_the_sidecar_write_what_the_app_serves(browser: Browser, record: Recorder) -> None:
    def served(name: str) -> int:
        said = browser.get(f"https://clock.lab.test/{name}.txt").strip()
        return int(said) if said.isdigit() else 0

    began = time.time()
    wait_until(lambda: served("now") > began, "the page has the time of the next run of the CronJob", 150)
    record("a CronJob writes into the app's volume", f"served {time.time() - began:.0f} s later")
    assert time.time() - served("beat") < 10


def test_nginx_runs_as_root_and_writes_to_its_root_file_system(lab: RehearsedLab, browser: Browser) -> None:
    assert "Welcome to nginx!" in browser.get("https://welcome.lab.test/", "-f")
    pod, *_ = lab.kubectl("get", "pods", "-n", "welcome", "-o", "name").split()
    script = 'read -r line < /var/log/nginx/access.log; echo "$line"; echo changed > /var/www/html/new.html'
    assert "GET / HTTP/1.1" in lab.kubectl("exec", "-n", "welcome", pod, "--", "sh", "-euc", script)
    pages = {browser.get("https://welcome.lab.test/new.html").strip() for _ in range(20)}
    assert "changed" in pages


def test_destroy_deletes_all_apps(lab: RehearsedLab, record: Recorder) -> None:
    with timed(record, "the six apps are deleted"):
        lab.pulumi_succeeds("destroy", "--yes", engine=lab.app_engine("home"))
    remaining = lab.kubectl("get", "namespaces", "-o", "name").split()
    assert not {f"namespace/{name}" for name in apps()} & set(remaining)
