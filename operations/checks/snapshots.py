"""Checks the etcd snapshots of K3s: K3s records each snapshot, also a failed one, as an ETCDSnapshotFile."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from components.cluster.settings import ClusterSettings
from components.settings import cron
from operations.api import Object
from operations.findings import Finding, fine, wrong

PATH = "/apis/k3s.cattle.io/v1/etcdsnapshotfiles"


def check(cluster: ClusterSettings, items: Iterable[Object], nodes: Iterable[Object]) -> Iterator[Finding]:
    """Yield a finding about the snapshots on the servers, and with `s3` a finding about the copies in the bucket."""
    snapshots = list(items)
    days = cron.longest_interval_days(cluster.k3s.snapshots.schedule) + 1
    oldest = datetime.now(UTC) - timedelta(days=days)
    is_new = all(_parsed(node["metadata"].get("creationTimestamp")) > oldest for node in nodes)
    for check_name, in_s3 in (("snapshots", False), ("copies of snapshots", True)):
        if not in_s3 or cluster.k3s.snapshots.s3:
            found = [each for each in snapshots if ("s3" in each["spec"]) is in_s3]
            yield _latest(check_name, found, oldest, is_new)


def _latest(check_name: str, snapshots: list[Object], oldest: datetime, is_new: bool) -> Finding:
    """Judge the newest snapshot, which must not be older than `oldest`; a new cluster may have none yet."""
    good = max((_time(each) for each in snapshots if _is_ready(each)), default=None)
    failed = [each for each in snapshots if not _is_ready(each) and (good is None or _time(each) > good)]
    fix = "run `./homelab snapshot`, which prints the error, and read `journalctl -u k3s` on the servers"
    if failed:
        latest = max(failed, key=_time)
        message = (latest["status"].get("error") or {}).get("message") or "K3s gives no reason"
        says = f"the snapshot {latest['spec'].get('snapshotName')} failed on {_time(latest):%Y-%m-%d %H:%M} UTC"
        return wrong(check_name, f"{says}: {message}", fix)
    if good is None:
        return fine(check_name, "none yet") if is_new else wrong(check_name, "there is none", fix)
    if good < oldest:
        return wrong(check_name, f"the newest is from {good:%Y-%m-%d %H:%M} UTC, older than the schedule allows", fix)
    return fine(check_name, f"the newest is from {good:%Y-%m-%d %H:%M} UTC")


def _is_ready(snapshot: Object) -> bool:
    return bool((snapshot.get("status") or {}).get("readyToUse"))


def _time(snapshot: Object) -> datetime:
    return _parsed((snapshot.get("status") or {}).get("creationTime"))


def _parsed(time: str | None) -> datetime:
    return datetime.fromisoformat(time) if time else datetime.fromtimestamp(0, UTC)
