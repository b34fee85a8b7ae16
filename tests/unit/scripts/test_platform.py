"""Scripts of the platform, run as they are; `k3s` is a function here that answers what a test says."""

import json
import shlex
import time
from pathlib import Path

import pytest

from tests.support.kubectl_scripts import run

FAILS = 'if [ "$(grep -c -- {what} "$CALLED")" -lt {times} ]; then echo "{said}" >&2; return 1; fi'
APPLY_CRDS = (
    "apply --request-timeout=60s --server-side --force-conflicts --validate=false --field-manager=homelab -o name -f -"
)


KEPT = "annotate --request-timeout=60s --overwrite --field-manager=homelab {names} helm.sh/resource-policy=keep"


ESTABLISHED = (
    "--request-timeout=15s get crd/as crd/bs --no-headers -o "
    'custom-columns=NAME:.metadata.name,SERVED:.status.conditions[?(@.type=="Established")].status'
)


def test_crds_are_applied_and_waited_for(calls_file: Path) -> None:
    answer = (
        "case $1 in apply) cat >given; echo crd/as; echo crd/bs; echo 'Warning: old' >&2 ;; "
        "*) printf 'as   True\\nbs   True\\n' ;; esac"
    )
    for _ in range(2):
        done = run(
            "platform/apply-crds", calls_file, answer, CRDS="kind: CustomResourceDefinition\n'\"$x", CRD_SECONDS="1"
        )
        assert (done.status, done.output) == (0, "")
    assert done.calls == [APPLY_CRDS, KEPT.format(names="crd/as crd/bs"), ESTABLISHED] * 2
    assert (calls_file.parent / "given").read_text() == "kind: CustomResourceDefinition\n'\"$x\n"


def test_crd_that_is_too_new_to_be_served_is_asked_for_again(calls_file: Path) -> None:
    new = 'if [ "$(grep -c Established "$CALLED")" -lt 3 ]; then echo "as   <none>"; else echo "as   True"; fi'
    done = run(
        "platform/apply-crds",
        calls_file,
        f"case $1 in apply) echo crd/as ;; *) {new} ;; esac",
        CRDS="x",
        CRD_SECONDS="5",
    )
    assert (done.status, len(done.calls)) == (0, 5)


def test_crds_that_are_refused_or_not_served(calls_file: Path) -> None:
    done = run(
        "platform/apply-crds",
        calls_file,
        "echo 'Error from server (Invalid): no' >&2; return 1",
        CRDS="x",
        CRD_SECONDS="1",
    )
    assert done.status == 1
    assert "The CRDs could not be applied:\nError from server (Invalid): no" in done.errors
    answer = "case $1 in apply) echo crd/as ;; *) printf 'bs   True\\nas   False\\n' ;; esac"
    done = run("platform/apply-crds", calls_file, answer, CRDS="x", CRD_SECONDS="1")
    assert "CRDs are not established after 1 s; run `pulumi up` again:\nas   False" in done.errors
    assert "bs" not in done.errors


GATE = {
    "MANIFESTS": '{"kind": "List", "items": [1]}',
    "APPEARS": "",
    "NAMESPACE": "lab",
    "GATE_SECONDS": "5",
    "RELEASES": "web 1\nsub 2",
}
DRY_RUN = "apply --server-side --force-conflicts --dry-run=server --validate=false -f -"


def test_gate_repeats_until_the_webhook_answers(calls_file: Path) -> None:
    said = 'Error from server (InternalError): failed calling webhook \\"x\\": connection refused'
    done = run("platform/wait-for-objects", calls_file, FAILS.format(what="--dry-run", times=4, said=said), **GATE)
    assert (done.status, done.output) == (0, "")
    assert done.calls == [f"--request-timeout=45s {DRY_RUN}"] * 4, "longer than the API server waits for a webhook"
    assert done.progress == [f"waiting: {said}".replace("\\", "")], "a reason is said once"


def test_gate_waits_for_what_the_software_makes(calls_file: Path) -> None:
    answer = FAILS.format(what="storageclass/fast", times=3, said="NotFound")
    done = run(
        "platform/wait-for-objects",
        calls_file,
        f"[ $3 = storageclass/fast ] || return 0; {answer}",
        **GATE | {"APPEARS": "pod/a\nstorageclass/fast"},
    )
    assert done.status == 0
    assert done.progress == ["waiting: storageclass/fast does not exist yet"]
    assert done.calls[-1] == "--request-timeout=15s get storageclass/fast -n lab -o name"


@pytest.mark.parametrize(
    "said",
    [
        'Error from server: admission webhook "v" denied the request: bad range',
        'The Pool "x" is invalid: spec.addresses: Required value',
        'Error from server (BadRequest): strict decoding error: unknown field "spec.x"',
    ],
)
def test_gate_does_not_wait_when_an_object_is_refused(calls_file: Path, said: str) -> None:
    started = time.monotonic()
    done = run("platform/wait-for-objects", calls_file, f"echo {shlex.quote(said)} >&2; return 1", **GATE)
    assert (done.status, len(done.calls)) == (1, 1)
    assert f"The API server rejected an object of the layer; no changes were made:\n{said}" in done.errors
    assert time.monotonic() - started < 4


def test_gate_gives_up_with_the_last_answer_and_the_pods(calls_file: Path) -> None:
    answer = 'if [ "$2" = get ]; then echo "web-1 Pending"; else echo "no endpoints" >&2; return 1; fi'
    done = run("platform/wait-for-objects", calls_file, answer, **GATE | {"GATE_SECONDS": "0"})
    assert done.status == 1
    assert "Not ready after 0 s: web 1, sub 2\nno endpoints\nPods in lab:\nweb-1 Pending\n" in done.errors


@pytest.mark.parametrize(
    ("cause", "what"),
    [
        (
            'no endpoints available for service \\"x\\"',
            "has no ready pod: repair or scale up its pods",
        ),
        (
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            "does not have the certificate that the API server expects (caBundle): restart the pods in lab",
        ),
        ("context deadline exceeded", "does not answer in time: read the logs of its pods, or restart the pods"),
    ],
)
def test_gate_explains_a_webhook_that_does_not_answer(calls_file: Path, cause: str, what: str) -> None:
    names = 'if [ "$2" = create ]; then printf "issuer/a\nissuer/b\n"; return; fi; '
    said = f'failed calling webhook \\"v\\": {cause}'
    answer = f'{names}[ "$2" = get ] || {{ echo "{said}" >&2; return 1; }}'
    done = run("platform/wait-for-objects", calls_file, answer, **GATE | {"GATE_SECONDS": "0"})
    assert done.status == 1
    assert (
        "The API server calls this webhook for each change of issuer/a, issuer/b, and rejects the change if the call "
        f"fails. The webhook {what}. Then run `pulumi up` again.\nPods in lab:\n"
    ) in done.errors


def test_gate_without_objects_lets_everything_pass(calls_file: Path) -> None:
    answer = "echo 'error: no objects passed to apply' >&2; return 1"
    assert (
        run(
            "platform/wait-for-objects",
            calls_file,
            answer,
            **GATE | {"MANIFESTS": json.dumps({"kind": "List", "items": []})},
        ).status
        == 0
    )


def test_warnings_are_no_answer(calls_file: Path) -> None:
    assert run("platform/wait-for-objects", calls_file, "echo 'Warning: deprecated' >&2", **GATE).progress == []


GUARD = {"KEY": "longhorn", "KEEPS": "volumes", "QUERY": "volumes.longhorn.io\n\npersistentvolumes -l by=lab\n"}


def test_guard_lets_go_what_keeps_nothing(calls_file: Path) -> None:
    done = run("platform/check-remaining-data", calls_file, "echo 'No resources found' >&2", **GUARD)
    assert (done.status, done.errors) == (0, "")
    asked = "--request-timeout=15s get -o name"
    assert done.calls == [f"{asked} volumes.longhorn.io", f"{asked} persistentvolumes -l by=lab"]


def test_guard_names_what_would_be_lost_and_the_way_out(calls_file: Path) -> None:
    done = run("platform/check-remaining-data", calls_file, "seq -f pv/%g 8", **GUARD)
    listed = "".join(f"pv/{n}\n" for n in (*range(1, 9), 1, 2))
    assert done.status == 1
    assert f"The layer longhorn still has volumes (16); it was not removed:\n{listed}" in done.errors
    assert "allow the loss: `homelab:platform.discard: [longhorn]`, then `pulumi up`." in done.errors


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ('error: the server doesn\'t have a resource type \\"volumes\\"', 0),
        ("Unable to connect to the server: timeout", 1),
    ],
)
def test_guard_knows_a_kind_that_is_gone_from_an_api_that_does_not_answer(
    calls_file: Path, said: str, status: int
) -> None:
    done = run("platform/check-remaining-data", calls_file, f'echo "{said}" >&2; return 1', **GUARD)
    assert done.status == status
    assert (
        "It is unknown whether the layer longhorn still has volumes, so it was not removed; run `pulumi up` again:"
        in done.errors
    ) == bool(status)


NODES = "printf '2 4000000Ki\\n1930m 2Gi\\n'"


@pytest.mark.parametrize(
    ("cpu", "memory", "reasons"),
    [
        ("3930", "5954", []),
        ("3930", "5955", ["the layers request at least 5955 MiB of memory, but all nodes together have 5954 MiB"]),
        ("4100", "10", ["the layers request at least 4.1 CPUs, but all nodes together have 3.9"]),
    ],
)
def test_layers_that_ask_for_more_than_the_machines_have(
    calls_file: Path, cpu: str, memory: str, reasons: list[str]
) -> None:
    said = run("platform/preview-capacity", calls_file, NODES, CPU=cpu, MEMORY=memory)
    assert (said.status, said.output.splitlines()) == (0, reasons)
    done = run("platform/check-capacity", calls_file, NODES, CPU=cpu, MEMORY=memory)
    assert (done.status, done.errors.splitlines()[: len(reasons)]) == (bool(reasons), reasons)
    assert ("Disable a layer" in done.errors) == bool(reasons)
