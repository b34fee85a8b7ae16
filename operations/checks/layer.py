"""Checks the health of a platform layer: its Helm releases, its pods, and its other Kubernetes objects."""

from collections.abc import Iterable, Iterator

from components.kubernetes.chart import Chart
from operations.api import Object
from operations.checks.cluster import conditions, is_ready
from operations.findings import Finding, fine, note, wrong

_HEALTH_CONDITIONS = ("Ready", "Available", "Established", "Programmed", "Accepted")
"""Status conditions that report whether a Kubernetes object is healthy."""


def check_releases(expected: Iterable[str], records: Iterable[Object]) -> Iterator[Finding]:
    """Yield a finding for each expected Helm release; the labels of Helm's release Secrets state the status."""
    latest: dict[str, tuple[int, str]] = {}
    for record in records:
        labels = record["metadata"].get("labels", {})
        revision_status = (int(labels.get("version", 0)), str(labels.get("status", "unknown")))
        latest[labels.get("name", "")] = max(revision_status, latest.get(labels.get("name", ""), revision_status))
    for name in expected:
        revision, status = latest.get(name, (0, "absent"))
        if status == "deployed":
            yield fine(f"release {name}", f"deployed, revision {revision}")
        elif status == "absent":
            yield wrong(
                f"release {name}",
                "is not installed",
                "run `pulumi up`; if `pulumi up` changes nothing, run `pulumi up --refresh`",
            )
        else:
            says = f"the release has the status {status} at revision {revision}, because Helm failed or was interrupted"
            yield wrong(f"release {name}", says, "run `pulumi up`")


def check_pin(chart: Chart) -> Finding:
    """Return a finding that states whether the checksum of a Helm chart is pinned."""
    check = f"chart {chart.name}"
    if chart.sha256:
        return fine(check, f"{chart.version}, pinned")
    says = f"the checksum of {chart.version} is not pinned, so the owner of {chart.repository} can replace the chart"
    return note(check, says, "run `./homelab pin` to write the chart's checksum into the stack file")


def check_pods(namespace: str, items: Iterable[Object]) -> Iterator[Finding]:
    """Yield a finding for each unhealthy pod, or a single finding if all pods are healthy."""
    count, healthy = 0, True
    for pod in items:
        count += 1
        name, status = pod["metadata"]["name"], pod.get("status", {})
        phase = status.get("phase", "Unknown")
        if phase == "Succeeded" or (phase == "Running" and is_ready(pod)):
            continue
        healthy = False
        says = f"{phase}, not ready: {pod_cause(pod)}"
        if phase == "Failed":
            yield note(f"pod {name}", f"failed: {pod_cause(pod)}", f"run `kubectl -n {namespace} delete pod {name}`")
        else:
            yield wrong(f"pod {name}", says, f"run `kubectl -n {namespace} describe pod {name}`")
    if healthy:
        yield fine("pods", f"{count} healthy")


def pod_cause(pod: Object) -> str:
    """Return why a pod is not ready, from the states of its containers, its scheduling and its status."""
    status = pod.get("status", {})
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        state = container.get("state", {})
        stopped = state.get("waiting") or state.get("terminated")
        if stopped and stopped.get("reason") not in (None, "Completed", "PodInitializing"):
            return f"{container['name']}: {stopped['reason']} {stopped.get('message') or ''}".strip()
    scheduled = conditions(pod).get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return str(scheduled.get("message") or "no node accepts the pod")
    return str(status.get("message") or status.get("reason") or "no reason given")


def check_object(kind: str, name: str, item: Object | None) -> Finding:
    """Return a finding about the health of a Kubernetes object; `item` is `None` if the object does not exist."""
    check = f"{kind} {name}"
    if item is None:
        return wrong(check, "does not exist", "run `pulumi up --refresh`")
    for status_type in _HEALTH_CONDITIONS:
        condition = conditions(item).get(status_type, {})
        if condition.get("status") == "False":
            says = f"is not {status_type}: {condition.get('message') or condition.get('reason') or 'no reason given'}"
            namespace = item.get("metadata", {}).get("namespace")
            scope = f" -n {namespace}" if namespace else ""
            return wrong(check, says, f"run `kubectl{scope} describe {kind.lower()} {name}`")
    return fine(check, "healthy")
