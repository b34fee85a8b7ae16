"""`pulumi up` while cert-manager's admission webhook is down, has another certificate, or hangs.

The tests depend on their order.
"""

import json
import time
from collections.abc import Iterator

import pytest

from bench.labs import stack_document
from tests.drills.measurements import Recorder, timed
from tests.rehearsal.rehearsed_lab import RehearsedLab, diagnostics, rehearse, wait_until

pytestmark = pytest.mark.drill

SPACE = ("-n", "cert-manager")
CONFIGURATION = "validatingwebhookconfiguration"
GATE_SECONDS = 300


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    document = stack_document(1, 0)
    document["config"]["homelab:platform"] = {"certManager": {"ca": {"commonName": "first"}}}
    with rehearse("webhooks", document, tmp_path_factory.mktemp("webhooks")) as found:
        found.up()
        yield found


def scale(lab: RehearsedLab, deployment: str, replicas: int) -> None:
    lab.kubectl("scale", *SPACE, f"deployment/{deployment}", f"--replicas={replicas}")
    lab.kubectl("rollout", "status", *SPACE, f"deployment/{deployment}", "--timeout=120s")


def rename_ca(lab: RehearsedLab, name: str) -> None:
    """Change a setting, so that `pulumi up` changes the Certificate `ca`, which the webhook validates."""
    lab.document["config"]["homelab:platform"]["certManager"]["ca"]["commonName"] = name
    lab.reopen()


def common_name(lab: RehearsedLab) -> str:
    return lab.kubectl("get", "certificate", *SPACE, "ca", "-o", "jsonpath={.spec.commonName}")


def failed_up(lab: RehearsedLab, record: Recorder, drill: str) -> str:
    """Run `pulumi up`, which must fail after the gate's timeout and change nothing; return its diagnostics."""
    before, began = common_name(lab), time.monotonic()
    code, preview = lab.pulumi("preview")
    print(f"preview: exit code {code} after {time.monotonic() - began:.0f} s", diagnostics(preview), sep="\n")
    began = time.monotonic()
    said = diagnostics(lab.up_fails())
    seconds = time.monotonic() - began
    print(said)
    record(drill, f"`pulumi up` fails after {seconds:.0f} s")
    assert seconds < GATE_SECONDS + 300, "it ends"
    assert "The API server calls this webhook for each change of " in said
    assert "certificate.cert-manager.io/ca" in said
    assert common_name(lab) == before
    return said


def test_webhook_without_pods(lab: RehearsedLab, record: Recorder) -> None:
    scale(lab, "cert-manager-webhook", 0)
    rename_ca(lab, "second")
    said = failed_up(lab, record, "webhook scaled to 0")
    assert 'failed calling webhook "webhook.cert-manager.io"' in said
    assert 'no endpoints available for service "cert-manager-webhook"' in said
    print(lab.homelab("doctor", code=1))
    scale(lab, "cert-manager-webhook", 1)
    lab.up()
    assert common_name(lab) == "second"


def test_webhook_with_another_certificate(lab: RehearsedLab, record: Recorder) -> None:
    scale(lab, "cert-manager-cainjector", 0)
    other = lab.kubectl("get", "secret", *SPACE, "ca", "-o", r"jsonpath={.data.tls\.crt}")
    patch = [{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": other}]
    lab.kubectl("patch", CONFIGURATION, "cert-manager-webhook", "--type=json", "-p", json.dumps(patch))
    rename_ca(lab, "third")
    said = failed_up(lab, record, "webhook with another certificate than its caBundle")
    assert 'failed calling webhook "webhook.cert-manager.io"' in said
    assert "x509: certificate signed by unknown authority" in said
    scale(lab, "cert-manager-cainjector", 1)
    lab.up()
    assert common_name(lab) == "third"


def test_webhook_that_hangs(lab: RehearsedLab, record: Recorder) -> None:
    """The kubelet restarts the hanging process, and `pulumi up` waits."""
    rename_ca(lab, "fourth")
    lab.run_as_root("s1", "kill -STOP $(pgrep -x webhook)")
    with timed(record, "webhook process stopped (SIGSTOP): `pulumi up` succeeds after"):
        print(lab.up())
    assert common_name(lab) == "fourth"
    restarts = "jsonpath={.items[0].status.containerStatuses[0].restartCount}"
    wait_until(
        lambda: lab.kubectl("get", "pods", *SPACE, "-l", "app.kubernetes.io/component=webhook", "-o", restarts) == "1",
        "the kubelet has restarted the webhook",
    )
