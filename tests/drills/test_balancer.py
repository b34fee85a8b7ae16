"""HAProxy behind the API's virtual IP: K3s or a machine fails, the load balancer is removed and added again."""

import time
from collections.abc import Iterator
from functools import partial

import pytest
import yaml

from bench.labs import cluster_of
from tests.drills.measurements import Figure
from tests.rehearsal.rehearsed_lab import Rehearsal, longest_gap, rehearsal, wait_until

pytestmark = pytest.mark.drill

SERVERS = {"s1", "s2", "s3"}
GOAL = 5.0  # maximum seconds without an answer at the API endpoint
NOTICED = 15  # seconds in which keepalived and every HAProxy must detect a failure
MASTER = "journalctl -q -o cat -u keepalived | grep -c 'Entering MASTER STATE' || true"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    document = cluster_of(3, 0, api={"vip": "10.9.0.100", "balancer": "haproxy"})
    with rehearsal("balancer", document, tmp_path_factory.mktemp("balancer")) as found:
        found.up()
        yield found


def whole(lab: Rehearsal) -> bool:
    return lab.ready() == SERVERS and lab.voters() == SERVERS


def runs(lab: Rehearsal) -> dict[str, str]:
    """Return the state of HAProxy's systemd unit on every server."""
    return {name: lab.root(name, "systemctl is-active haproxy || true").strip() for name in sorted(SERVERS)}


def meets_endpoint(lab: Rehearsal, endpoint: str) -> None:
    """Check that the API answers at the endpoint, which outputs, kubeconfig and K3s' configuration contain."""
    outputs = lab.session.engine.outputs()
    assert outputs["endpoint"] == endpoint
    assert yaml.safe_load(str(outputs["kubeconfig"]))["clusters"][0]["cluster"]["server"] == endpoint
    for name in SERVERS:
        assert yaml.safe_load(lab.root(name, "cat /etc/rancher/k3s/config.yaml"))["server"] == endpoint
    assert whole(lab)
    assert lab.answers()


def moves(lab: Rehearsal) -> int:
    """Return how often the servers took over the virtual IP, in total."""
    return sum(int(lab.root(name, MASTER)) for name in SERVERS)


def test_the_cluster_is_founded_and_reached_through_the_balancer(lab: Rehearsal) -> None:
    meets_endpoint(lab, "https://10.9.0.100:7443")
    assert set(runs(lab).values()) == {"active"}
    lab.unchanged()


def test_k3s_stops_where_the_address_is_and_the_address_stays(lab: Rehearsal, figure: Figure) -> None:
    held, before = lab.holder(), moves(lab)

    def stop() -> None:
        lab.root(held, "systemctl stop k3s")
        time.sleep(NOTICED)
        assert lab.holder() == held
        wait_until(lab.answers, "the API answers at the endpoint")

    gap = longest_gap(lab.answers, stop)
    start = time.monotonic()
    gap = max(gap, longest_gap(lab.answers, partial(lab.root, held, "systemctl start k3s")))
    wait_until(partial(whole, lab), f"{held} is back")
    figure("K3s stopped behind the load balancer, longest gap of the API", f"{gap:.1f} s (goal 5 s)")
    figure("K3s started again, until the server is Ready and votes", f"{time.monotonic() - start:.0f} s")
    assert (lab.holder(), moves(lab)) == (held, before)
    assert gap <= GOAL


def test_a_configuration_rolls_and_the_address_stays(lab: Rehearsal, figure: Figure) -> None:
    held, before = lab.holder(), moves(lab)
    lab.cluster["k3s"] = {"options": {"kubelet-arg": ["max-pods=120"]}}
    lab.open()
    gap = longest_gap(lab.answers, lab.up)
    figure("three servers rolled behind the load balancer, longest gap of the API", f"{gap:.1f} s (goal 5 s)")
    assert (lab.holder(), moves(lab)) == (held, before)
    assert gap <= GOAL


def test_the_machine_loses_its_power_and_the_address_moves(lab: Rehearsal, figure: Figure) -> None:
    held = lab.holder()

    def lose() -> None:
        lab.lab.power_off(held)
        time.sleep(NOTICED)
        wait_until(lab.answers, "the API answers at the endpoint")

    gap = longest_gap(lab.answers, lose)
    figure("the server with the VIP powered off, longest gap of the API", f"{gap:.1f} s (goal 5 s)")
    assert lab.holder() != held
    lab.given_power(held)
    wait_until(partial(whole, lab), f"{held} is back")
    assert gap <= GOAL


def test_a_balancer_that_stops_gives_the_address_away_and_is_mended(lab: Rehearsal, figure: Figure) -> None:
    held = lab.holder()

    def stop() -> None:
        lab.root(held, "systemctl stop haproxy; echo '# mine' >>/etc/haproxy/haproxy.cfg")
        wait_until(lambda: not lab.root(held, "ip -o addr show to 10.9.0.100"), "the address leaves")
        wait_until(lab.answers, "the API answers at the endpoint")

    gap = longest_gap(lab.answers, stop)
    assert lab.holder() != held
    figure("HAProxy stopped on the server with the VIP, longest gap of the API", f"{gap:.1f} s")
    said = lab.succeeds("preview")
    assert "/etc/haproxy/haproxy.cfg was changed" in said
    assert "haproxy is inactive" in said
    lab.up()
    assert set(runs(lab).values()) == {"active"}
    lab.unchanged()


def test_it_is_taken_out_and_nothing_is_left(lab: Rehearsal) -> None:
    del lab.cluster["api"]["balancer"]
    lab.open()
    lab.up()
    meets_endpoint(lab, "https://10.9.0.100:6443")
    assert set(runs(lab).values()) == {"inactive"}
    for name in SERVERS:
        assert lab.root(name, "systemctl is-enabled haproxy || true").strip() == "disabled"
        assert lab.root(name, "dpkg --verify haproxy | grep /etc/ || true") == "", (
            "the package's configuration is restored"
        )
        assert lab.root(name, "find /var/lib/homelab -path '*haproxy*' -type f") == ""
        assert lab.root(name, "ss -Hltn sport = :7443") == ""
    lab.unchanged()


def test_it_is_put_in_again_at_another_port(lab: Rehearsal) -> None:
    lab.cluster["api"] |= {"balancer": "haproxy", "port": 8443}
    lab.open()
    lab.up()
    meets_endpoint(lab, "https://10.9.0.100:8443")
    assert set(runs(lab).values()) == {"active"}
    lab.unchanged()
