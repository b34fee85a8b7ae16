"""HAProxy behind the API's virtual IP: K3s or a machine fails, the load balancer is removed and added again."""

import time
from collections.abc import Iterator
from functools import partial

import pytest
import yaml

from bench.labs import stack_document
from tests.drills.measurements import Recorder
from tests.rehearsal.rehearsed_lab import RehearsedLab, longest_outage, rehearse, wait_until

pytestmark = pytest.mark.drill

SERVERS = {"s1", "s2", "s3"}
GOAL = 5.0  # maximum seconds without an answer at the API endpoint
NOTICED = 15  # seconds in which keepalived and every HAProxy must detect a failure
COUNT_TAKEOVERS = "journalctl -q -o cat -u keepalived | grep -c 'Entering MASTER STATE' || true"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    document = stack_document(3, 0, api={"vip": "10.9.0.100", "balancer": "haproxy"})
    with rehearse("balancer", document, tmp_path_factory.mktemp("balancer")) as found:
        found.up()
        yield found


def all_servers_vote(lab: RehearsedLab) -> bool:
    return lab.ready_nodes() == SERVERS and lab.etcd_voters() == SERVERS


def haproxy_states(lab: RehearsedLab) -> dict[str, str]:
    """Return the state of HAProxy's systemd unit on every server."""
    return {name: lab.run_as_root(name, "systemctl is-active haproxy || true").strip() for name in sorted(SERVERS)}


def check_endpoint(lab: RehearsedLab, endpoint: str) -> None:
    """Check that the API answers at the endpoint, which outputs, kubeconfig and K3s' configuration contain."""
    outputs = lab.session.engine.outputs()
    assert outputs["endpoint"] == endpoint
    assert yaml.safe_load(str(outputs["kubeconfig"]))["clusters"][0]["cluster"]["server"] == endpoint
    for name in SERVERS:
        assert yaml.safe_load(lab.run_as_root(name, "cat /etc/rancher/k3s/config.yaml"))["server"] == endpoint
    assert all_servers_vote(lab)
    assert lab.api_answers()


def count_vip_moves(lab: RehearsedLab) -> int:
    """Return how often the servers took over the virtual IP, in total."""
    return sum(int(lab.run_as_root(name, COUNT_TAKEOVERS)) for name in SERVERS)


def test_the_cluster_bootstraps_behind_the_load_balancer(lab: RehearsedLab) -> None:
    check_endpoint(lab, "https://10.9.0.100:7443")
    assert set(haproxy_states(lab).values()) == {"active"}
    lab.up_changes_nothing()


def test_the_vip_stays_while_k3s_is_stopped(lab: RehearsedLab, record: Recorder) -> None:
    held, before = lab.vip_holder(), count_vip_moves(lab)

    def stop() -> None:
        lab.run_as_root(held, "systemctl stop k3s")
        time.sleep(NOTICED)
        assert lab.vip_holder() == held
        wait_until(lab.api_answers, "the API answers at the endpoint")

    gap = longest_outage(lab.api_answers, stop)
    start = time.monotonic()
    gap = max(gap, longest_outage(lab.api_answers, partial(lab.run_as_root, held, "systemctl start k3s")))
    wait_until(partial(all_servers_vote, lab), f"{held} is back")
    record("K3s stopped behind the load balancer, longest gap of the API", f"{gap:.1f} s (goal 5 s)")
    record("K3s started again, until the server is Ready and votes", f"{time.monotonic() - start:.0f} s")
    assert (lab.vip_holder(), count_vip_moves(lab)) == (held, before)
    assert gap <= GOAL


def test_the_vip_stays_while_a_configuration_rolls_out(lab: RehearsedLab, record: Recorder) -> None:
    held, before = lab.vip_holder(), count_vip_moves(lab)
    lab.cluster["k3s"] = {"options": {"kubelet-arg": ["max-pods=120"]}}
    lab.reopen()
    gap = longest_outage(lab.api_answers, lab.up)
    record("three servers rolled behind the load balancer, longest gap of the API", f"{gap:.1f} s (goal 5 s)")
    assert (lab.vip_holder(), count_vip_moves(lab)) == (held, before)
    assert gap <= GOAL


def test_the_vip_moves_when_its_machine_loses_power(lab: RehearsedLab, record: Recorder) -> None:
    held = lab.vip_holder()

    def lose() -> None:
        lab.lab.power_off(held)
        time.sleep(NOTICED)
        wait_until(lab.api_answers, "the API answers at the endpoint")

    gap = longest_outage(lab.api_answers, lose)
    record("the server with the VIP powered off, longest gap of the API", f"{gap:.1f} s (goal 5 s)")
    assert lab.vip_holder() != held
    lab.power_on(held)
    wait_until(partial(all_servers_vote, lab), f"{held} is back")
    assert gap <= GOAL


def test_a_stopped_load_balancer_releases_the_vip_and_is_repaired(lab: RehearsedLab, record: Recorder) -> None:
    held = lab.vip_holder()

    def stop() -> None:
        lab.run_as_root(held, "systemctl stop haproxy; echo '# mine' >>/etc/haproxy/haproxy.cfg")
        wait_until(lambda: not lab.run_as_root(held, "ip -o addr show to 10.9.0.100"), "the address leaves")
        wait_until(lab.api_answers, "the API answers at the endpoint")

    gap = longest_outage(lab.api_answers, stop)
    assert lab.vip_holder() != held
    record("HAProxy stopped on the server with the VIP, longest gap of the API", f"{gap:.1f} s")
    said = lab.pulumi_succeeds("preview")
    assert "/etc/haproxy/haproxy.cfg was changed" in said
    assert "haproxy is inactive" in said
    lab.up()
    assert set(haproxy_states(lab).values()) == {"active"}
    lab.up_changes_nothing()


def test_the_load_balancer_is_removed_completely(lab: RehearsedLab) -> None:
    del lab.cluster["api"]["balancer"]
    lab.reopen()
    lab.up()
    check_endpoint(lab, "https://10.9.0.100:6443")
    assert set(haproxy_states(lab).values()) == {"inactive"}
    for name in SERVERS:
        assert lab.run_as_root(name, "systemctl is-enabled haproxy || true").strip() == "disabled"
        assert lab.run_as_root(name, "dpkg --verify haproxy | grep /etc/ || true") == "", (
            "the package's configuration is restored"
        )
        assert lab.run_as_root(name, "find /var/lib/homelab -path '*haproxy*' -type f") == ""
        assert lab.run_as_root(name, "ss -Hltn sport = :7443") == ""
    lab.up_changes_nothing()


def test_the_load_balancer_returns_at_another_port(lab: RehearsedLab) -> None:
    lab.cluster["api"] |= {"balancer": "haproxy", "port": 8443}
    lab.reopen()
    lab.up()
    check_endpoint(lab, "https://10.9.0.100:8443")
    assert set(haproxy_states(lab).values()) == {"active"}
    lab.up_changes_nothing()
