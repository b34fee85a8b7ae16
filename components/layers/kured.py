"""kured, the Kubernetes Reboot Daemon, which drains and reboots nodes whose operating system needs a reboot."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from components.kubernetes.manifest import Json
from components.layers.monitoring import layer as monitoring
from components.platform.layer import Layer, resources
from components.settings.errors import Finding
from components.settings.kubernetes_fields import AbsolutePath, TimeZone, matching
from components.settings.model import Model

Day = Literal["mo", "tu", "we", "th", "fr", "sa", "su"]
TimeOfDay = Annotated[str, matching("time of day", "([01][0-9]|2[0-3]):[0-5][0-9]", "write it in 24 hours, as 02:00")]
Duration = Annotated[str, matching("duration", "[1-9][0-9]{0,4}[smh]", "write it as 90s, 30m or 1h")]
AlertName = Annotated[
    str, matching("name of an alert", "[A-Za-z_][A-Za-z0-9_]*", "write the name that Alertmanager shows")
]
_DAYS: tuple[Day, ...] = ("mo", "tu", "we", "th", "fr", "sa", "su")
_ALWAYS_FIRING = ("Watchdog", "InfoInhibitor")
"""Alerts that report no problem: Watchdog always fires, and InfoInhibitor fires to mute other alerts."""
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_SERVERS_READY = (
    "systemd-run --quiet --wait --collect /usr/local/bin/k3s kubectl wait node "
    "--selector=node-role.kubernetes.io/control-plane --for=condition=Ready --timeout=10s"
)
"""Command that succeeds if all servers are Ready. systemd runs it, because it needs more memory than kured's container
has."""


class KuredSettings(Model):
    """Settings of kured (Kubernetes Reboot Daemon), which reboots one node at a time."""

    reboot_days: tuple[Day, ...] = _DAYS
    """Days of the week on which kured reboots nodes. Default: every day."""
    start_time: TimeOfDay = "00:00"
    """Time of day after which kured reboots nodes."""
    end_time: TimeOfDay = "23:59"
    """Time of day until which kured starts to drain nodes. If `endTime` is earlier than `startTime`, the time window
    includes midnight."""
    time_zone: TimeZone | None = None
    """Time zone of `startTime`, `endTime` and `rebootDays`. Default: the cluster's `machine.timezone`, otherwise
    UTC."""
    period: Duration = "1h"
    """Interval at which kured checks whether a machine needs a reboot."""
    drain_timeout: Duration = "5m"
    """Timeout of a drain. After the timeout, kured uncordons the node without a reboot, and tries again after
    `period`."""
    lock_ttl: Duration | None = None
    """Time after which kured reboots the next node although a rebooted node has not returned. A node that returns later
    stays cordoned. Default: kured reboots no other node until the node returns."""
    reboot_sentinel: AbsolutePath = "/run/reboot-required"
    """File in `/run` whose existence means that the machine needs a reboot."""
    ignored_alerts: tuple[AlertName, ...] = ()
    """Names of alerts that do not block reboots. With the layer monitoring, kured reboots no node while any other alert
    fires."""


class Kured(Layer[KuredSettings]):
    """Layer for kured, which reboots nodes one at a time after a drain, within a time window."""

    key = "kured"
    settings_type = KuredSettings
    namespace = "kured"
    pod_security = "privileged"  # kured runs `systemctl reboot` in the mount namespace of the host's systemd
    installs_after = ("monitoring",)

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values: the time window, the check whether a machine needs a reboot, and the lock.

        The chart's default concurrency is one node, so that etcd keeps its quorum. The chart's default reboot command
        is `systemctl reboot`: unlike a signal to systemd, it respects the inhibitor locks of the kubelet (graceful node
        shutdown) and of unattended-upgrades.
        """
        settings = self.settings
        configuration: dict[str, Json] = {
            "useRebootSentinelHostPath": False,  # with the host path, the chart ignores the command
            "rebootSentinelCommand": reboot_required(settings.reboot_sentinel),
            "rebootDays": list(settings.reboot_days),
            "startTime": settings.start_time,
            "endTime": settings.end_time,
            "timeZone": settings.time_zone or self.lab.cluster.machine.timezone or "UTC",
            "period": settings.period,
            "drainTimeout": settings.drain_timeout,
            # a rebooted node is Ready before all of its pods are, and before etcd has caught up
            "lockReleaseDelay": "1m",
        }
        if settings.lock_ttl:
            configuration["lockTtl"] = settings.lock_ttl
        if len(self.lab.cluster.nodes) == 1:
            # a drain would only stop the pods, and a disruption budget could block it at every attempt
            configuration["drainPodSelector"] = "homelab/drained-by-kured"
        values: dict[str, Json] = {
            "configuration": configuration | self._alerts(),
            "priorityClassName": "system-node-critical",
            "resources": resources("10m", "64Mi"),
            "tolerations": [{"operator": "Exists"}],
            "metrics": {"create": self.has_monitoring},
        }
        return {"kured": values}

    def _alerts(self) -> dict[str, Json]:
        """Return the configuration that blocks reboots while an alert fires."""
        if not self.has_monitoring:
            return {}
        ignored = "|".join((*_ALWAYS_FIRING, *self.settings.ignored_alerts))
        return {
            "prometheusUrl": monitoring.PROMETHEUS_URL,
            "alertFilterRegexp": f"^({ignored})$",
            "alertFiringOnly": True,
        }

    def findings(self) -> Iterator[Finding]:
        """Yield errors in the time window, the durations, the sentinel file and the alerts."""
        settings = self.settings
        if not settings.reboot_days:
            yield ("rebootDays",), "is empty, so kured would reboot no node", "add a day, or remove the layer kured"
        yield from self._window()
        if settings.lock_ttl and _seconds(settings.lock_ttl) <= _seconds(settings.drain_timeout):
            reason = f"is not longer than drainTimeout ({settings.drain_timeout}), so two nodes could drain at once"
            yield ("lockTtl",), reason, "set a longer time, such as 2h, or remove the key"
        if not re.match("/(var/)?run/", settings.reboot_sentinel):
            reason = "is not in /run, so the file would survive the reboot, and kured would reboot the node again"
            yield ("rebootSentinel",), reason, "use a file in /run, which a reboot empties"
        if settings.ignored_alerts and not self.has_monitoring:
            yield ("ignoredAlerts",), "needs the layer monitoring", "enable monitoring, or remove the key"

    def _window(self) -> Iterator[Finding]:
        start, end = _minutes(self.settings.start_time), _minutes(self.settings.end_time)
        length = (end - start) % (24 * 60)
        if length == 0:
            yield ("endTime",), "equals startTime, so the time window is empty", "use different times"
        elif _seconds(self.settings.period) > length * 60:
            reason = f"is longer than the time window from {self.settings.start_time} to {self.settings.end_time}"
            fix = "use a shorter period: kured checks a node once per period, and would miss the time window"
            yield ("period",), reason, fix


def reboot_required(sentinel: str) -> str:
    """Return the command with which kured checks whether a machine needs a reboot.

    On a server, the command also fails while another server is not Ready, because etcd could lose its quorum. Agents
    have no kubeconfig in this file.
    """
    return f"sh -c 'test -e {sentinel} && {{ test ! -e /etc/rancher/k3s/k3s.yaml || {_SERVERS_READY}; }}'"


def _seconds(duration: str) -> int:
    return int(duration[:-1]) * _SECONDS[duration[-1]]


def _minutes(time: str) -> int:
    hours, minutes = time.split(":")
    return int(hours) * 60 + int(minutes)
