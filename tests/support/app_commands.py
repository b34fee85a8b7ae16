"""An app `shop` with all parts, and Kubernetes objects of it, for tests of `./homelab app`."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

import cli
from tests.support.app_stacks import kubeconfig
from tests.support.fake_kubectl import FakeKubectl
from tests.support.fake_pulumi import FakePulumi

APP: dict[str, Any] = {
    "platform": "lab",
    "image": "registry.example.com/shop:2.0.0",
    "hosts": ["shop"],
    "before": {"args": ["migrate"]},
    "cron": {"backup": {"schedule": "0 3 * * *", "args": ["dump"]}},
    "workers": {"queue": {"args": ["queue"]}},
    "postgres": {"size": "1Gi"},
}
KUBECONFIG = kubeconfig()


class Shop:
    """The app's stack file, Pulumi with the platform's outputs, and kubectl."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.file = folder / "Pulumi.shop.yaml"
        self.pulumi = FakePulumi(folder / "pulumi", monkeypatch)
        self.pulumi.set_outputs(appKubeconfig=KUBECONFIG, kubeconfig="the administrator's")
        self.kubectl = FakeKubectl(folder / "kubectl", monkeypatch)
        self.change()

    def change(self, **settings: Any) -> None:
        """Write the stack file with changed settings; None removes a setting."""
        app = {key: value for key, value in {**APP, **settings}.items() if value is not None}
        secrets = {"homelab:platform": {"secure": "v1:x"}} if "platformOutputs" in settings else {}
        self.file.write_text(yaml.safe_dump({"config": {"homelab:app": app, **secrets}}))

    def run(self, command: str, *words: str, answer: str | None = None) -> Result:
        """Run `./homelab app COMMAND` on the app's stack."""
        place = ["--stack", "shop", "--config-file", str(self.file)]
        return CliRunner().invoke(cli.app, ["app", command, *place, *words], input=answer, env={"COLUMNS": "200"})


def pod(name: str = "shop-1", container: str = "shop", *, ready: bool = True, **more: Any) -> dict[str, Any]:
    """Build a pod; `more` are fields of its container's status."""
    status = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": str(ready)}],
        "containerStatuses": [{"name": container, "restartCount": 0, "state": {"running": {}}, **more}],
    }
    labels = {"app.kubernetes.io/name": "shop", "pod": name}
    spec = {"nodeName": "pi-1", "containers": [{"name": container, "image": APP["image"]}, {"name": "proxy"}]}
    return {"kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec, "status": status}


def template(image: str = APP["image"], **container: Any) -> dict[str, Any]:
    """Build the pod template of the app."""
    own = {"name": "shop", "image": image, **container}
    return {"metadata": {"labels": {"app.kubernetes.io/name": "shop"}}, "spec": {"containers": [own]}}


def workload(kind: str = "Deployment", name: str = "shop", ready: int = 3, **pod_template: Any) -> dict[str, Any]:
    """Build a workload with three replicas."""
    return {
        "kind": kind,
        "metadata": {"name": name, "uid": f"uid-{name}"},
        "spec": {"replicas": 3, "template": pod_template or template()},
        "status": {"readyReplicas": ready, "updatedReplicas": 3},
    }


def owned(kind: str, name: str, owner: str, **more: Any) -> dict[str, Any]:
    """Build an object that another object owns."""
    kinds = {"ReplicaSet": "Deployment", "ControllerRevision": "StatefulSet", "Job": "CronJob"}
    references = [{"kind": kinds[kind], "name": owner, "uid": f"uid-{owner}"}]
    meta = {"name": name, "ownerReferences": references, "creationTimestamp": name, **more.pop("metadata", {})}
    return {"kind": kind, "metadata": meta, **more}
