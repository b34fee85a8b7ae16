"""Whether a layer is healthy: its Helm releases, its pods, and the objects that others need of it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from components.layer import Chart
from operations.checks.cluster import conditions
from operations.findings import Finding, fine, note, wrong

Object = Mapping[str, Any]
_SAYS_SO = ("Ready", "Available", "Established", "Programmed", "Accepted")
"""Conditions that say whether an object is in order."""


def releases(wanted: Iterable[str], records: Iterable[Object]) -> Iterator[Finding]:
    """Yield a finding for each release, by the metadata of Helm's own secrets."""
    latest: dict[str, tuple[int, str]] = {}
    for each in records:
        labels = each["metadata"].get("labels", {})
        seen = (int(labels.get("version", 0)), str(labels.get("status", "unknown")))
        latest[labels.get("name", "")] = max(seen, latest.get(labels.get("name", ""), seen))
    for name in wanted:
        revision, status = latest.get(name, (0, "absent"))
        if status == "deployed":
            yield fine(f"release {name}", f"deployed, revision {revision}")
        elif status == "absent":
            yield wrong(f"release {name}", "is not installed", "`pulumi up`; if it says nothing is to do: --refresh")
        else:
            says = f"is {status} since revision {revision}: Helm was interrupted, or failed"
            yield wrong(f"release {name}", says, "`pulumi up`")


def pinned(chart: Chart) -> Finding:
    """Return the finding about who vouches for a chart."""
    check = f"chart {chart.name}"
    if chart.sha256:
        return fine(check, f"{chart.version}, pinned")
    says = f"{chart.version} is not pinned: whoever controls {chart.repository} decides what is installed"
    return note(check, says, "`./homelab pin` writes its checksum into the stack file")


def pods(namespace: str, found: Iterable[Object]) -> Iterator[Finding]:
    """Yield a finding for each pod that does not run, or one that says that all do."""
    count, bad = 0, False
    for pod in found:
        count += 1
        name, status = pod["metadata"]["name"], pod.get("status", {})
        phase = status.get("phase", "Unknown")
        ready = conditions(pod).get("Ready", {}).get("status") == "True"
        if phase == "Succeeded" or (phase == "Running" and ready):
            continue
        bad = True
        says = f"{phase}, not ready: {_why(pod)}"
        if phase == "Failed":
            yield note(f"pod {name}", f"ended: {_why(pod)}", f"kubectl -n {namespace} delete pod {name}")
        else:
            yield wrong(f"pod {name}", says, f"kubectl -n {namespace} describe pod {name}")
    if not bad:
        yield fine("pods", f"{count} in order")


def _why(pod: Object) -> str:
    status = pod.get("status", {})
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        state = container.get("state", {})
        held = state.get("waiting") or state.get("terminated")
        if held and held.get("reason") not in (None, "Completed", "PodInitializing"):
            return f"{container['name']}: {held['reason']} {held.get('message') or ''}".strip()
    scheduled = conditions(pod).get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return str(scheduled.get("message") or "no machine takes it")
    return str(status.get("message") or status.get("reason") or "it says nothing")


def thing(kind: str, name: str, found: Object | None) -> Finding:
    """Return the finding about an object that the layer makes, which was looked up."""
    check = f"{kind} {name}"
    if found is None:
        return wrong(check, "is not there", "`pulumi up --refresh`")
    for each in _SAYS_SO:
        condition = conditions(found).get(each, {})
        if condition.get("status") == "False":
            says = f"is not {each}: {condition.get('message') or condition.get('reason') or 'it says nothing'}"
            return wrong(check, says, f"kubectl describe {kind.lower()} {name}")
    return fine(check, "in order")
