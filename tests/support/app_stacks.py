"""Runs app stacks under a recording engine, on a platform with all layers unless a test removes some."""

import json
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import resource_pb2

from stacks import app as shop
from stacks import stackfile
from tests.support.certificates import certificate
from tests.support.envelopes import is_sealed, sealed, texts, unsealed
from tests.support.recorder import Program, Recording, Resource, canary, config_of, record
from tests.support.settings_fixtures import ROOT

SAMPLE_APP = ROOT / "Pulumi.shop.yaml"
APPS = [*sorted((ROOT / "tests/settings/apps").glob("*.yaml")), SAMPLE_APP]
SEVERAL_APPS = ROOT / "tests/settings/apps-stacks/media.yaml"
STORE = {
    "endpoint": "https://s3.lan:9000", "bucket": "backups", "region": "home", "path": "lab",
    "accessKey": canary("storeId"), "secretKey": canary("storeKey"),
}  # fmt: skip


def kubeconfig(days: float = 365, left: float | None = None) -> str:
    """Build the kubeconfig of app stacks; its certificate is valid for `days`, of which `left` remain."""
    user = {"client-certificate-data": certificate(days, left=left), "client-key-data": canary("kubeconfig")}
    return yaml.safe_dump({"users": [{"name": "lab", "user": user}]})


def find_canaries(recording: Recording, canaries: set[str]) -> tuple[set[str], list[str]]:
    """Return the canaries in the inputs and outputs of a stack, and each place where a canary is in clear text."""
    places = {each.urn: each.inputs for each in recording.registered} | {"outputs": recording.outputs}
    seen, clear = set[str](), list[str]()
    for place, values in places.items():
        for text, secret in texts(values):
            found = {each for each in canaries if each in text}
            clear += [] if secret or not found else [f"{found} in clear: {place}"]
            seen |= found
    return seen, clear


OUTPUTS: dict[str, Any] = {
    "name": "lab", "domain": "lab.example.com", "endpoint": "https://10.0.0.240:6443", "version": "0.3.0",
    "appKubeconfig": sealed(kubeconfig()), "appUser": "homelab:apps-1-0a1b2c3d", "monitoring": False,
    "nodes": [
        {"name": "a", "role": "server", "address": "10.0.0.11", "arch": "arm64", "labels": {}, "taints": []},
        {"name": "b", "role": "server", "address": "fd00::12", "arch": "arm64", "labels": {"disk": "ssd"},
         "taints": []},
        {
            "name": "d", "role": "agent", "address": "10.0.0.14", "labels": {"storage": "true"},
            "taints": ["dedicated=storage:NoSchedule", "slow:PreferNoSchedule"],
        },
    ],
    "clusterNetworks": ["10.42.0.0/16", "fd42::/56", "10.43.0.0/16", "fd43::/112"],
    "ingressClass": "traefik", "ingressNamespace": "traefik", "ingressAddress": "10.0.0.200",
    "ingressTrafficPolicy": "Local",
    "issuers": ["letsencrypt", "own-ca"], "issuer": "letsencrypt", "wildcardIssuers": ["own-ca"],
    "storageClasses": ["longhorn", "longhorn-single"], "storageClass": "longhorn",
    "sharedStorageClasses": ["longhorn", "longhorn-single"],
    "databaseStorageClass": "longhorn-single", "databaseOperator": "cnpg-system", "databaseBackup": sealed(STORE),
    "gitopsNamespace": "argocd", "kafkaBootstrap": "lab-kafka-bootstrap.kafka.svc:9092",
    "cassandraContact": "lab-dc1-service.cassandra.svc:9042",
    "sealingCertificate": "-----BEGIN CERTIFICATE-----",
    "volumeBackup": sealed(STORE | {"path": "lab/apps"}), "clusterReaders": ["blog"],
    "secretStores": ["aws", "vault"],
    "tracesEndpoint": "http://tempo.tempo.svc:4318", "objectStoreEndpoint": "http://seaweedfs-s3.seaweedfs.svc:8333",
    "metricsEndpoint": "http://prometheus.monitoring.svc:9090", "rollouts": "argo-rollouts",
    "loadBalancerAddresses": ["10.0.0.200-10.0.0.220"],
    "nfsClient": True, "podSecurityLevels": ["restricted", "baseline", "privileged"],
    "gpuResources": ["nvidia.com/gpu"],
}  # fmt: skip


def run_on_platform(
    program: Program,
    config: dict[str, Any],
    stack: str,
    outputs: dict[str, Any],
    *,
    previous: dict[str, Any] | None = None,
    **more: Any,
) -> Recording:
    """Run a program that reads the lab's stack, which has these outputs, or the `previous` outputs of its own stack."""

    def read(self: Recording, request: Any) -> Any:
        name = request.properties["name"]
        assert name in {f"organization/homelab/{each}" for each in ("lab", "homelab", stack)}
        known = (previous or {}) if name == f"organization/homelab/{stack}" else outputs
        found = {"name": name, "outputs": known}
        secret = [name for name, value in known.items() if is_sealed(value)]
        properties = json_format.ParseDict(found | {"secretOutputNames": secret}, struct_pb2.Struct())
        return resource_pb2.ReadResourceResponse(urn="urn:pulumi:app::app::x::lab", properties=properties)

    with mock.patch.object(Recording, "ReadResource", read):
        return record(config, stack, program, **more)


def run_app(file: Path, outputs: dict[str, Any] | None = None, *, preview: bool = False, **app: Any) -> Recording:
    """Run the app of a stack file, with other values for some of its keys."""
    config = config_of(file)
    config["app"] = config["app"] | app
    return run_on_platform(
        shop.deploy, config, stackfile.stack_name(file), OUTPUTS if outputs is None else outputs, preview=preview
    )


def run_apps(
    outputs: dict[str, Any] | None = None, *, preview: bool = False, previous: dict[str, Any] | None = None, **apps: Any
) -> Recording:
    """Run the stack with several apps, with other settings for some of its apps."""
    config = config_of(SEVERAL_APPS)
    config["apps"] = config["apps"] | {name: config["apps"].get(name, {}) | changes for name, changes in apps.items()}
    on = OUTPUTS if outputs is None else outputs
    return run_on_platform(shop.deploy, config, "media", on, preview=preview, previous=previous)


def run_separately(file: Path, outputs: dict[str, Any], **more: Any) -> Recording:
    """Run the app of a stack file that has these outputs as a secret, as `./homelab platform` prints them."""
    config = config_of(file)
    text = json.dumps({name: unsealed(value) for name, value in outputs.items()})
    config["app"] = config["app"] | {"platformOutputs": {"secret": "platform"}}
    return record(config | {"platform": text}, stackfile.stack_name(file), shop.deploy, secret=["platform"], **more)


def run_fixture(name: str, **changes: Any) -> Recording:
    """Run one of the apps under `tests/settings/apps`."""
    return run_app(ROOT / f"tests/settings/apps/{name}.yaml", **changes)


def outputs_without(*names: str) -> dict[str, Any]:
    """Return the platform's outputs without some of them, as if their layers were disabled."""
    return {name: value for name, value in OUTPUTS.items() if name not in names}


def objects(recording: Recording) -> dict[str, dict[str, Any]]:
    """Return the created Kubernetes objects by kind and name, without envelopes."""
    return {f"{each.plain['kind']}/{each.name}": each.plain for each in created(recording)}


def created(recording: Recording) -> list[Resource]:
    """Return the resources that the run creates in the cluster."""
    return [each for each in recording.registered if each.custom and each.type.startswith("kubernetes:")]


def pod_spec(recording: Recording, name: str) -> Any:
    """Return the pod specification of an app's workload."""
    kinds = objects(recording)
    found = (kinds.get(f"{kind}/{name}") for kind in ("Deployment", "StatefulSet", "Rollout"))
    return next(filter(None, found))["spec"]["template"]["spec"]


def kinds(recording: Recording) -> set[str]:
    """Return the kinds of the created objects."""
    return {each.plain["kind"] for each in created(recording)}
