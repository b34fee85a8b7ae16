"""Argo CD with three replicas of Redis, Sentinel and HAProxy: the machine of the Redis master fails."""

import json
from collections.abc import Iterator

import pytest

from bench.labs import stack_document
from rehearsal.programs import argocd
from rehearsal.shell import RehearsalError
from tests.drills.measurements import Recorder
from tests.drills.test_gitops import log_in
from tests.rehearsal.rehearsed_lab import RehearsedLab, longest_outage, rehearse, wait_until

pytestmark = pytest.mark.drill

REDIS, HAPROXY = "argocd-redis-ha", "argocd-redis-ha-haproxy"
SENTINEL_FAILOVER = ("redis-cli", "-p", "26379", "sentinel", "failover", "argocd")
ROLE = (
    "exec 3<>/dev/tcp/127.0.0.1/6379;"
    r"""printf 'AUTH %s\r\nSET drill {value}\r\nROLE\r\nQUIT\r\n' "$AUTH" >&3; cat <&3"""
)
"""Writes a value through HAProxy in HAProxy's own pod, and asks for the role of the Redis that has answered."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    document = stack_document(1, 2)
    document["config"]["homelab:platform"] = {"argocd": {"redisCopies": True}}
    with rehearse("redis", document, tmp_path_factory.mktemp("redis")) as found:
        found.up()
        yield found


def machines_of(lab: RehearsedLab, name: str) -> dict[str, str]:
    """Return the machine of each pod with the label `app.kubernetes.io/name` = `name`, by the pod's name."""
    arguments = ("get", "pods", "-n", "argocd", "-l", f"app.kubernetes.io/name={name}", "-o", "json")
    pods = json.loads(lab.kubectl(*arguments))["items"]
    return {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in pods}


def redis(lab: RehearsedLab, pod: str, command: str) -> str:
    """Run a command of redis-cli in a pod of Redis, with Redis' password."""
    login = f'redis-cli -a "$AUTH" --no-auth-warning {command}'
    return lab.kubectl("exec", "-n", "argocd", pod, "-c", "redis", "--", "sh", "-c", login)


def masters(lab: RehearsedLab, pods: set[str]) -> set[str]:
    """Return the pods of Redis whose role is master."""
    return {pod for pod in pods if redis(lab, pod, "role").startswith("master")}


def write(lab: RehearsedLab, proxy: str, value: str) -> bool:
    """Write a value through the HAProxy of a pod; return whether a master has acknowledged it."""
    script = ROLE.replace("{value}", value)
    try:
        answer = lab.kubectl("exec", "-n", "argocd", proxy, "-c", "haproxy", "--", "bash", "-c", script).split()
    except RehearsalError:
        return False
    return answer[:2] == ["+OK", "+OK"] and "master" in answer


def test_redis_runs_on_three_machines(lab: RehearsedLab) -> None:
    for name in (REDIS, HAPROXY):
        assert sorted(machines_of(lab, name).values()) == ["a1", "a2", "s1"]
    pods = json.loads(lab.kubectl("get", "pods", "-n", "argocd", "-o", "json"))["items"]
    images = {container["image"] for pod in pods for container in pod["spec"]["containers"]}
    assert images == {argocd.IMAGE, argocd.REDIS_IMAGE, argocd.HAPROXY_IMAGE}
    assert "token" in log_in(lab)


def test_a_replica_becomes_the_master_when_its_machine_fails(lab: RehearsedLab, record: Recorder) -> None:
    pods = machines_of(lab, REDIS)
    (master,) = masters(lab, set(pods))
    if pods[master] == "s1":  # the lab's only server must not stop
        lab.kubectl("exec", "-n", "argocd", master, "-c", "sentinel", "--", *SENTINEL_FAILOVER)
        wait_until(lambda: masters(lab, set(pods)) not in ({master}, set()), "another Redis is the master")
        (master,) = masters(lab, set(pods))
    machine = pods[master]
    (proxy,) = (pod for pod, where in machines_of(lab, HAPROXY).items() if where == "s1")
    wait_until(lambda: write(lab, proxy, "before"), "HAProxy has found the master", 60)
    wait_until(
        lambda: {redis(lab, pod, "get drill").strip() for pod in pods} == {"before"}, "each Redis has the value", 30
    )
    others = set(pods) - {master}

    def lose() -> None:
        lab.lab.power_off(machine)
        wait_until(lambda: masters(lab, others), "another Redis is the master", 120)
        wait_until(lambda: write(lab, proxy, "after"), "HAProxy has found the new master", 60)

    gap = longest_outage(lambda: write(lab, proxy, "during"), lose)
    record("lost Redis master, longest gap of writes", f"{gap:.0f} s")
    wait_until(lambda: "token" in log_in(lab), "Argo CD accepts a login", 480)
    lab.power_on(machine)
    wait_until(lambda: len(masters(lab, set(pods))) == 1, "the old master is a replica", 180)
    assert gap < 60
