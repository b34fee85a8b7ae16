"""Probes of a rehearsed cluster: DNS, TLS, pods and Services."""

import json
from pathlib import Path
from typing import Any

from rehearsal.artefacts import PODINFO
from tests.rehearsal.rehearsed_lab import RehearsedLab

METRICS_SERVER_LABELS = {"k8s-app": "metrics-server"}
PORT = 10250  # the port of metrics-server
_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
_ASK = """
import socket, sys, time
wanted = b''.join(bytes([len(part)]) + part for part in sys.argv[2].encode().split(b'.'))
question = bytes.fromhex('000101000001000000000000') + wanted + bytes([0, 0, int(sys.argv[3]), 0, 1])
asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asked.settimeout(5)
end = time.monotonic() + 180
while True:
    try:
        asked.sendto(question, (sys.argv[1], 53))
        reply = asked.recv(512)
        break
    except (PermissionError, ConnectionRefusedError):  # kube-proxy rejects the packet: no CoreDNS pod is ready
        if time.monotonic() > end:
            raise
        time.sleep(0.5)
name = 2 if reply[len(question):][:1] == bytes([192]) else len(question) - 16
print(reply[len(question) + name + 10:][:4].hex())
"""


def resolve_api(lab: RehearsedLab, machine: str) -> str:
    """Resolve the API's Service on a machine, through kube-proxy and flannel; return its IP in hexadecimal."""
    return resolve(lab, machine, "kubernetes.default.svc.cluster.local")


def resolve(lab: RehearsedLab, machine: str, name: str, kind: int = 1) -> str:
    """Query the cluster's DNS for a name; return the first address in hexadecimal. `kind` is the record type."""
    dns = lab.kubectl("-n", "kube-system", "get", "service", "kube-dns", "-o", "jsonpath={.spec.clusterIP}")
    return lab.run_as_root(machine, f'python3 -c "{_ASK}" {dns} {name} {kind}').strip()


def tls_succeeds(lab: RehearsedLab, machine: str, port: int, *options: str) -> bool:
    """Return whether a TLS handshake with a port of the machine succeeds with these curl options."""
    curl = f"curl -ks -o /dev/null {' '.join(options)} https://127.0.0.1:{port}/; echo $?"
    ended = lab.run_as_root(machine, curl).strip()
    assert ended in ("0", "35"), f"curl ended with {ended}"
    return ended == "0"


def pod_manifest(
    namespace: str,
    name: str,
    node: str,
    labels: dict[str, str],
    security: dict[str, Any] | None = None,
    *,
    image: str = PODINFO,
) -> Any:
    """Build a pod of podinfo, restricted unless `security` sets another securityContext."""
    container = {
        "name": "podinfo",
        "image": image,
        "args": [f"--port={PORT}"],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": PORT}, "periodSeconds": 1},
        "securityContext": _RESTRICTED if security is None else security,
    }
    spec = {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [container]}
    metadata = {"namespace": namespace, "name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def service_manifest(namespace: str, name: str, labels: dict[str, str]) -> Any:
    """Build a Service that selects pods with these labels."""
    spec = {"selector": labels, "ports": [{"port": 80, "targetPort": PORT}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": namespace, "name": name}, "spec": spec}


def apply(lab: RehearsedLab, folder: Path, *objects: Any) -> str:
    """Apply objects with kubectl; return its output."""
    file = folder / "objects.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))
    return lab.kubectl("apply", "-f", str(file))


def pod_behind_proxy(lab: RehearsedLab, namespace: str, service: str) -> str:
    """Return the pod that answers when the API server proxies a request to a Service, as to metrics-server."""
    said = lab.kubectl("get", "--raw", f"/api/v1/namespaces/{namespace}/services/{service}:80/proxy/api/info")
    return str(json.loads(said)["hostname"])
