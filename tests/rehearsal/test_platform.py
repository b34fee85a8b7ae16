"""Failures while layers of a small lab are installed, changed and removed. The tests depend on their order."""

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.labs import stack_document
from rehearsal.paths import PROJECT
from rehearsal.shell import RehearsalError
from tests.rehearsal.rehearsed_lab import RehearsedLab, rehearse, wait_until

pytestmark = pytest.mark.rehearsal

LAYERS: dict[str, Any] = {
    "metallb": {"addresses": ["10.9.0.200-10.9.0.220"]},
    "certManager": {},
    "traefik": {},
    "longhorn": {},
    "cloudnativePg": {},
    "argocd": {"adminPassword": {"secret": "argocdAdmin"}},
}
CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "kept", "namespace": "default"},
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "longhorn",
    },
}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "keeper", "namespace": "default"},
    "spec": {
        # without longhorn, the server enables K3s' own storage and is drained for that, which would evict the pod
        "nodeSelector": {"kubernetes.io/hostname": "a1"},
        "containers": [
            {"name": "keeper", "image": "keeper:1", "volumeMounts": [{"name": "kept", "mountPath": "/kept"}]}
        ],
        "volumes": [{"name": "kept", "persistentVolumeClaim": {"claimName": "kept"}}],
    },
}


BROKEN = "apiVersion: v1\nkind: Service\nmetadata: {name: x}\n"
PLANTED = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: planted}\n"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    document = stack_document(1, 2)
    document["config"]["homelab:platform"] = dict(LAYERS)
    document["config"]["homelab:argocdAdmin"] = {"secure": "v1:c2FtcGxl:c2FtcGxl"}
    with rehearse("platform", document, tmp_path_factory.mktemp("platform")) as found:
        yield found


def platform(lab: RehearsedLab) -> dict[str, Any]:
    settings = lab.document["config"]["homelab:platform"]
    assert isinstance(settings, dict)
    return settings


def releases(lab: RehearsedLab) -> dict[str, str]:
    """Return the status of each Helm release's last revision, by name."""
    items = yaml.safe_load(lab.run_as_root("s1", "k3s kubectl get secrets -A -l owner=helm -o yaml"))["items"]
    labels = sorted((item["metadata"]["labels"] for item in items), key=lambda found: int(found["version"]))
    return {found["name"]: found["status"] for found in labels}


def pending_releases(lab: RehearsedLab) -> list[str]:
    return [name for name, status in releases(lab).items() if status.startswith("pending")]


def apply(lab: RehearsedLab, *objects: dict[str, Any]) -> None:
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    lab.run_as_root("s1", f"k3s kubectl apply -f - <<'END'\n{text}\nEND")


def test_unreachable_charts_are_reported_before_any_change(lab: RehearsedLab) -> None:
    charts = lab.lab.mirror / "charts"
    aside = charts.rename(charts.with_name("aside"))
    for archive in (PROJECT / ".charts").glob("*.tgz"):  # an earlier rehearsal may have fetched the same charts
        archive.unlink()
    said = lab.up_fails()
    aside.rename(charts)
    assert lab.session.replacements[-1].value in said
    assert releases(lab) == {}


def test_the_next_run_completes_killed_releases(lab: RehearsedLab) -> None:
    lab.kill_up_when(lambda: len(pending_releases(lab)) > 1, "several releases are pending")
    lab.reopen()
    assert pending_releases(lab)
    said = lab.up()
    assert set(releases(lab).values()) == {"deployed"}
    assert re.search(r"release \S+ was interrupted", said)


def test_second_up_changes_nothing(lab: RehearsedLab) -> None:
    assert re.search(r"Resources:\n +\d+ unchanged\n", lab.up())


def test_gate_waits_for_late_webhooks(lab: RehearsedLab) -> None:
    """MetalLB's webhook gets its certificate after its pod is ready; until then it rejects address pools."""
    webhooks = json.loads(
        lab.kubectl("get", "validatingwebhookconfiguration", "metallb-webhook-configuration", "-o", "json")
    )["webhooks"]
    assert all(each["failurePolicy"] == "Fail" and each["clientConfig"]["caBundle"] for each in webhooks)
    assert "default" in lab.kubectl("get", "ipaddresspools", "-n", "metallb-system", "-o", "name")


def test_load_balancer_has_the_first_address_of_the_pool(lab: RehearsedLab) -> None:
    assert lab.session.engine.outputs()["ingressAddress"] == "10.9.0.200"
    path = "jsonpath={.status.loadBalancer.ingress[0].ip}"
    assert lab.kubectl("get", "service", "-n", "traefik", "traefik", "-o", path) == "10.9.0.200"


def test_one_storage_class_is_the_default(lab: RehearsedLab) -> None:
    mark = "storageclass.kubernetes.io/is-default-class"
    items = yaml.safe_load(lab.kubectl("get", "storageclass", "-o", "yaml"))["items"]
    default = [
        each["metadata"]["name"] for each in items if (each["metadata"].get("annotations") or {}).get(mark) == "true"
    ]
    assert default == ["longhorn"]
    assert "longhorn-single" in {each["metadata"]["name"] for each in items}


def test_no_secret_of_layers_is_in_plain_text(lab: RehearsedLab) -> None:
    state = lab.session.engine.capture("stack", "export")
    assert "rehearsal-argocdAdmin" not in state
    assert "rehearsal-argocdAdmin" not in lab.pulumi("preview", "--diff", "--show-config")[1]
    shown = lab.kubectl("get", "secrets", "-n", "argocd", "-o", "yaml")
    assert "rehearsal-argocdAdmin" not in shown


def test_a_run_completes_after_an_api_outage(lab: RehearsedLab) -> None:
    """Without an API for half a minute during `pulumi up`, a run may fail; the next run completes the changes."""
    platform(lab)["metallb"] = {
        "addresses": ["10.9.0.200-10.9.0.221"],
        "pools": {"more": {"addresses": ["10.9.0.230/31"]}},
    }
    lab.reopen()
    away = "systemctl stop k3s; (sleep 30; systemctl start k3s) >/dev/null 2>&1 &"
    lab.up_may_fail(r"metallb-gate .*(updating|creating)", lambda: lab.run_as_root("s1", away))
    wait_until(lambda: lab.ready_nodes() == {"s1", "a1", "a2"}, "the cluster is back")
    lab.up()
    assert "more" in lab.kubectl("get", "ipaddresspools", "-n", "metallb-system", "-o", "name")


def test_a_webhooks_rejection_is_reported_verbatim(lab: RehearsedLab) -> None:
    pool = {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": "mine", "namespace": "metallb-system"},
        "spec": {"addresses": ["10.9.0.215-10.9.0.219"]},
    }
    with pytest.raises(RehearsalError, match="denied the request"):
        apply(lab, pool)


def test_the_next_run_repairs_a_failed_release(lab: RehearsedLab) -> None:
    config = lab.document["config"]
    secret = config.pop("homelab:argocdAdmin")
    del platform(lab)["argocd"]
    lab.reopen()
    lab.up()
    assert "argo-cd" not in releases(lab)
    assert "argocd" not in lab.kubectl("get", "namespaces", "-o", "name")
    platform(lab)["argocd"], config["homelab:argocdAdmin"] = LAYERS["argocd"], secret
    lab.reopen()
    pin_chart(lab, change_chart(lab, "broken", BROKEN))
    said = lab.up_fails()
    assert "argo-cd" in said
    assert releases(lab)["argo-cd"] == "failed"
    lab.reopen()
    lab.up()
    assert releases(lab)["argo-cd"] == "deployed"


def test_a_chart_changed_after_its_check_is_not_installed(lab: RehearsedLab) -> None:
    """A malicious repository serves the pinned archive for verification, and another archive afterwards."""
    argocd = platform(lab).pop("argocd")
    secret = lab.document["config"].pop("homelab:argocdAdmin")
    lab.reopen()
    lab.up()
    platform(lab)["argocd"], lab.document["config"]["homelab:argocdAdmin"] = argocd, secret
    lab.reopen()
    kept = PROJECT / ".charts"
    for archive in kept.glob("argo-cd-*.tgz"):
        archive.unlink()
    log = lab.lab.folder / "server/access.log"
    before = log.read_text().count("/charts/argo-cd-")
    lab.up_despite(r"argocd-chart-argo-cd .*creat", lambda: change_chart(lab, "planted", PLANTED))
    assert releases(lab)["argo-cd"] == "deployed"
    assert "planted" not in lab.kubectl("get", "configmaps", "-n", "argocd", "-o", "name")
    assert log.read_text().count("/charts/argo-cd-") == before + 1, "it was fetched once"
    lab.up_changes_nothing()
    (archive,) = kept.glob("argo-cd-*.tgz")
    archive.unlink()
    served = hashlib.sha256(next((lab.lab.mirror / "charts").glob("argo-cd-*.tgz")).read_bytes()).hexdigest()
    pinned = yaml.safe_load(lab.session.engine.stack_file.read_text())["config"]["homelab:platform"]["pins"]["argo-cd"]
    for said in (lab.up_fails(), lab.pulumi("preview")[1]):
        assert f"pinned sha256 {pinned}" in said
        assert f"found  sha256 {served}" in said
    lab.reopen()
    lab.up_changes_nothing()


def change_chart(lab: RehearsedLab, name: str, text: str) -> str:
    """Add a template to Argo CD's chart in the repository, with a matching index; return the new SHA-256."""
    (archive,) = (lab.lab.mirror / "charts").glob("argo-cd-*.tgz")
    whole, content = archive.read_bytes(), add_file(archive.read_bytes(), f"argo-cd/templates/{name}.yaml", text)
    archive.write_bytes(content)
    before, after = (hashlib.sha256(each).hexdigest() for each in (whole, content))
    index = archive.with_name("index.yaml")
    index.write_text(index.read_text().replace(before, after))
    return after


def pin_chart(lab: RehearsedLab, sha256: str) -> None:
    """Pin Argo CD's chart in the rehearsal's stack file."""
    file = lab.session.engine.stack_file
    document = yaml.safe_load(file.read_text())
    document["config"]["homelab:platform"]["pins"]["argo-cd"] = sha256
    file.write_text(yaml.safe_dump(document))


def add_file(archive: bytes, name: str, text: str) -> bytes:
    """Return a copy of a chart archive with one file added."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as old, tarfile.open(fileobj=out, mode="w:gz") as new:
        for member in old:
            new.addfile(member, old.extractfile(member))
        added = tarfile.TarInfo(name)
        added.size = len(text)
        new.addfile(added, io.BytesIO(text.encode()))
    return out.getvalue()


def test_a_chart_is_upgraded(lab: RehearsedLab) -> None:
    platform(lab)["versions"] = {"traefik": "41.3.1"}
    lab.reopen()
    said = lab.up()
    assert "traefik-crds-traefik" in said
    second = lab.kubectl("get", "secrets", "-n", "traefik", "-l", "owner=helm,name=traefik,version=2", "-o", "name")
    assert second
    assert "traefik-41.3.1.tgz" in (lab.lab.folder / "server/access.log").read_text()


def test_a_layer_with_data_is_not_disabled_by_mistake(lab: RehearsedLab) -> None:
    apply(lab, CLAIM, POD)
    phase = ["get", "pvc", "kept", "-o", "jsonpath={.status.phase}"]
    wait_until(lambda: lab.kubectl(*phase) == "Bound", "the claim has its volume")
    longhorn, postgres = platform(lab).pop("longhorn"), platform(lab).pop("cloudnativePg")
    lab.reopen()
    said = lab.up_fails()
    assert re.search(r"The layer longhorn still has volumes \(1\); it was not removed", said)
    assert lab.kubectl(*phase) == "Bound"
    assert releases(lab)["longhorn"] == "deployed"
    platform(lab)["discard"] = ["longhorn"]
    lab.kubectl("delete", "pod", "keeper", "--now")
    lab.kubectl("delete", "pvc", "kept")
    lab.reopen()
    lab.up()
    assert "longhorn" not in releases(lab)
    platform(lab).update(longhorn=longhorn, cloudnativePg=postgres)
    del platform(lab)["discard"]
    lab.reopen()
    lab.up()


def test_destroy_deletes_everything_in_order(lab: RehearsedLab) -> None:
    lab.pulumi_succeeds("destroy", "--yes")


def test_charts_of_the_catalog_exist(lab: RehearsedLab) -> None:
    index = yaml.safe_load((Path(lab.lab.mirror) / "charts/index.yaml").read_text())
    assert {"metallb", "traefik", "longhorn"} <= index["entries"].keys()
