"""Checks whether the admission webhooks of the cluster have ready pods."""

from collections.abc import Iterable, Iterator

from operations.api import Object
from operations.findings import Finding, fine, wrong

_SERVICE_LABEL = "kubernetes.io/service-name"


def check_webhooks(configurations: Iterable[Object], endpoint_slices: Iterable[Object]) -> Iterator[Finding]:
    """Yield a finding for each webhook whose Service has no ready pod, or a single finding if all Services have a ready
    pod.

    Without a ready pod, the API server rejects all changes of the objects that the webhook reviews.
    """
    ready = {_service(each) for each in endpoint_slices if any(map(_is_ready, each.get("endpoints") or ()))}
    count, reachable = 0, True
    for webhook in (webhook for each in configurations for webhook in each.get("webhooks") or ()):
        service = webhook["clientConfig"].get("service")
        if service is None or webhook.get("failurePolicy") == "Ignore":
            continue
        count += 1
        namespace, name = str(service["namespace"]), str(service["name"])
        if (namespace, name) not in ready:
            reachable = False
            problem = (
                f"no pod of the Service {namespace}/{name} is ready, so the API server rejects changes of objects in "
            )
            fix = f"run `kubectl -n {namespace} get deployments,pods`, and repair or scale up the webhook's pods"
            yield wrong(f"webhook {webhook['name']}", problem + _groups(webhook), fix)
    if reachable:
        yield fine("webhooks", f"{count} with ready pods")


def _service(endpoint_slice: Object) -> tuple[str, str]:
    metadata = endpoint_slice["metadata"]
    return str(metadata["namespace"]), str((metadata.get("labels") or {}).get(_SERVICE_LABEL))


def _is_ready(endpoint: Object) -> bool:
    return (endpoint.get("conditions") or {}).get("ready") is not False


def _groups(webhook: Object) -> str:
    """Return the API groups of the objects that the webhook reviews."""
    groups = dict.fromkeys(group for rule in webhook.get("rules") or () for group in rule["apiGroups"])
    return "all API groups" if "*" in groups else ", ".join(group or "core" for group in groups)
