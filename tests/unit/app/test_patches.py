"""Patches: what the app's objects become, and what a patch must not change."""

from typing import Any

import pytest

from components.app import inventory
from components.kubernetes.manifest import Json
from components.kubernetes.strategic_merge import merge, merge_keys
from stacks.settings import AppStack, SettingsError
from tests.support.app_stacks import objects, pod_spec, run_fixture
from tests.support.envelopes import is_sealed
from tests.support.settings_fixtures import ROOT


def deployment(pod: Json) -> Json:
    return {"kind": "Deployment", "spec": {"template": {"spec": pod}}}


def merged_pod(pod: Json, patch: Json) -> Json:
    whole = merge(deployment(pod), {"spec": {"template": {"spec": patch}}}, merge_keys("Deployment"))
    return whole["spec"]["template"]["spec"]


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": None}}, {"a": {"b": 1}}),
        ({"a": 1}, {"a": None, "b": None}, {}),
        ({"a": 1}, {"a": {"b": 2, "c": None}}, {"a": {"b": 2}}),
        ({"a": {"b": 1}}, {"a": 2}, {"a": 2}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": [{"name": "x"}]}, {"a": [{"name": "y"}]}, {"a": [{"name": "y"}]}),
        ({"a": {"b": 1}}, {"a": {"$patch": "replace", "c": 2}}, {"a": {"c": 2}}),
        ({"a": 1}, {}, {"a": 1}),
    ],
)
def test_mappings_are_merged_as_rfc_7386_says(target: Json, patch: Json, expected: Json) -> None:
    assert merge(target, patch, {}) == expected


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        (
            {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]},
            {"containers": [{"name": "b", "tty": True}, {"name": "c", "image": "c:1"}]},
            {"containers": [
                {"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1", "tty": True},
                {"name": "c", "image": "c:1"},
            ]},
        ),
        (
            {"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]}]},
            {"containers": [{"name": "a", "env": [{"name": "Y", "value": "3"}, {"name": "X", "$patch": "delete"}]}]},
            {"containers": [{"name": "a", "env": [{"name": "Y", "value": "3"}]}]},
        ),
        (
            {"initContainers": [{"name": "a", "volumeMounts": [{"mountPath": "/a", "name": "v"}]}]},
            {"initContainers": [{"name": "a", "volumeMounts": [{"mountPath": "/a", "readOnly": True}]}]},
            {"initContainers": [{"name": "a", "volumeMounts": [{"mountPath": "/a", "name": "v", "readOnly": True}]}]},
        ),
        (
            {"containers": [{"name": "a", "ports": [{"containerPort": 53, "protocol": "UDP", "name": "dns"}]}]},
            {"containers": [{"name": "a", "ports": [{"containerPort": 53, "hostPort": 53}]}]},
            {"containers": [{"name": "a", "ports": [
                {"containerPort": 53, "protocol": "UDP", "name": "dns"}, {"containerPort": 53, "hostPort": 53},
            ]}]},
        ),
        (
            {"volumes": [{"name": "scratch-0", "emptyDir": {}}]},
            {"volumes": [{"name": "scratch-0", "emptyDir": {"sizeLimit": "1Gi"}}]},
            {"volumes": [{"name": "scratch-0", "emptyDir": {"sizeLimit": "1Gi"}}]},
        ),
        (
            {"volumes": [{"name": "a", "emptyDir": {}}]},
            {"volumes": [{"$patch": "replace"}, {"name": "b", "emptyDir": {}}]},
            {"volumes": [{"name": "b", "emptyDir": {}}]},
        ),
        (
            {"topologySpreadConstraints": [{"topologyKey": "zone", "maxSkew": 1}]},
            {"topologySpreadConstraints": [{"topologyKey": "zone", "maxSkew": 2}]},
            {"topologySpreadConstraints": [{"topologyKey": "zone", "maxSkew": 2}]},
        ),
        (
            {"tolerations": [{"key": "a"}]},
            {"tolerations": [{"key": "b"}]},
            {"tolerations": [{"key": "b"}]},
        ),
        (
            {},
            {"hostAliases": [{"ip": "192.168.1.9", "hostnames": ["nas"]}]},
            {"hostAliases": [{"ip": "192.168.1.9", "hostnames": ["nas"]}]},
        ),
    ],
)  # fmt: skip
def test_lists_of_pods_are_merged_by_their_keys(target: Json, patch: Json, expected: Json) -> None:
    assert merged_pod(target, patch) == expected


def test_what_is_merged_stays_as_it_was() -> None:
    target, patch = {"containers": [{"name": "a", "env": []}]}, {"containers": [{"name": "a", "env": [{"name": "X"}]}]}
    merged_pod(target, patch)
    assert target == {"containers": [{"name": "a", "env": []}]}
    assert patch == {"containers": [{"name": "a", "env": [{"name": "X"}]}]}


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("CronJob", ("spec", "jobTemplate", "spec", "template", "spec", "containers", "env")),
        ("Job", ("spec", "template", "spec", "initContainers", "ports")),
        ("Rollout", ("spec", "template", "spec", "volumes")),
        ("StatefulSet", ("spec", "template", "spec", "imagePullSecrets")),
        ("Service", ("spec", "ports")),
    ],
)
def test_kinds_with_pods_have_the_keys_of_pods(kind: str, path: tuple[str, ...]) -> None:
    assert path in merge_keys(kind)
    assert merge_keys("Ingress") == {}


def test_the_patches_of_an_app_are_merged_into_its_objects() -> None:
    found = run_fixture("hub")
    assert objects(found)["StatefulSet/hub"]["spec"]["minReadySeconds"] == 5
    pod = pod_spec(found, "hub")
    assert pod["hostAliases"] == [{"ip": "192.168.1.9", "hostnames": ["nas"]}]
    own, sidecar = pod["containers"]
    assert own["resources"]["requests"] == {"cpu": "100m", "memory": "64Mi"}
    assert own["env"] == [{"name": "MODE", "value": "home"}]
    assert sidecar["name"] == "metrics"
    annotations = objects(found)["Ingress/hub"]["metadata"]["annotations"]
    assert annotations["example.com/a"] == "b"
    assert annotations["cert-manager.io/cluster-issuer"] == "letsencrypt"
    assert objects(found)["CronJob/hub-backup"]["spec"]["suspend"] is True


def test_a_patch_without_name_applies_to_all_objects_of_its_kind() -> None:
    patch = {"kind": "NetworkPolicy", "patch": {"metadata": {"annotations": {"a": "b"}}}}
    found = objects(run_fixture("hub", patches=[patch]))
    policies = [each["metadata"].get("annotations") for key, each in found.items() if key.startswith("NetworkPolicy/")]
    assert len(policies) > 2
    assert all(each == {"a": "b"} for each in policies)


def test_later_patches_see_earlier_ones() -> None:
    patches = [{"kind": "Service", "patch": {"spec": {"type": kind}}} for kind in ("NodePort", "ClusterIP")]
    assert objects(run_fixture("hub", patches=patches))["Service/hub"]["spec"]["type"] == "ClusterIP"


def test_secrets_stay_secret_beside_what_a_patch_adds() -> None:
    label = {"kind": "Secret", "name": "home-secrets", "patch": {"metadata": {"labels": {"a": "b"}}}}
    found = run_fixture("home", patches=[label])
    (secret,) = (each for each in found.registered if each.name == "home-secrets")
    assert secret.plain["metadata"]["labels"]["a"] == "b"
    assert all(is_sealed(value) for value in secret.inputs["stringData"].values())


def problems(*patches: Any, **app: Any) -> list[str]:
    base = {"platform": "lab", "image": "shop:1"}
    try:
        AppStack.parse({"app": base | app | {"patches": list(patches)}}, set(), "shop")
    except SettingsError as error:
        return [line.removeprefix("homelab:app.patches[0].") for line in str(error).splitlines()]
    return []


def pod_patch(**pod: Any) -> dict[str, Any]:
    return {"kind": "Deployment", "patch": {"spec": {"template": {"spec": pod}}}}


IDENTITY = "would change the object's identity or a selector; remove it"


@pytest.mark.parametrize(
    ("patch", "line"),
    [
        ({"kind": "StatefulSet", "patch": {"a": 1}},
         "kind: is not the kind of an object of the app; use one of: Deployment, Namespace, NetworkPolicy, "
         "PodDisruptionBudget, Service"),
        ({"kind": "NetworkPolicy", "name": "web", "patch": {"a": 1}},
         "name: is no NetworkPolicy of the app; use one of: default-deny, shop, shop-job"),
        ({"kind": "RoleBinding", "patch": {"a": 1}},
         "kind: is not the kind of an object of the app; use one of: Deployment, Namespace, NetworkPolicy, "
         "PodDisruptionBudget, Service"),
        ({"kind": "deployment", "patch": {"a": 1}},
         "kind: is not a Kubernetes kind; write the singular in upper camel case, such as Deployment or Service"),
        ({"kind": "Service", "patch": {}}, "patch: has no effect: the patch is empty; add fields, or remove the patch"),
        ({"kind": "Service", "patch": {"kind": "Pod"}}, f"patch.kind: {IDENTITY}"),
        ({"kind": "Service", "patch": {"metadata": {"namespace": "kube-system"}}},
         f"patch.metadata.namespace: {IDENTITY}"),
        ({"kind": "Service", "patch": {"metadata": None}}, f"patch.metadata: {IDENTITY}"),
        ({"kind": "Service", "patch": {"metadata": {"labels": {"app.kubernetes.io/name": "x"}}}},
         f'patch.metadata.labels["app.kubernetes.io/name"]: {IDENTITY}'),
        ({"kind": "Service", "patch": {"metadata": {"$patch": "replace"}}}, f"patch.metadata.$patch: {IDENTITY}"),
        ({"kind": "Service", "patch": {"spec": {"selector": {"a": "b"}}}}, f"patch.spec.selector: {IDENTITY}"),
        ({"kind": "NetworkPolicy", "patch": {"spec": {"podSelector": {"matchLabels": {"a": "b"}}}}},
         f"patch.spec.podSelector: {IDENTITY}"),
        ({"kind": "Deployment", "patch": {"spec": {"template": {"metadata": {"labels": None}}}}},
         f"patch.spec.template.metadata.labels: {IDENTITY}"),
        ({"kind": "Deployment",
          "patch": {"spec": {"template": {"metadata": {"labels": {"app.kubernetes.io/component": "x"}}}}}},
         f'patch.spec.template.metadata.labels["app.kubernetes.io/component"]: {IDENTITY}'),
        ({"kind": "Namespace", "patch": {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}},
         'patch.metadata.labels["pod-security.kubernetes.io/enforce"]: is derived from the app\'s settings; use '
         "podSecurity"),
        (pod_patch(volumes=[{"name": "x", "secret": {"secret": "apiKey"}}]),
         "patch.spec.template.spec.volumes[0].secret: references a secret, which a patch cannot contain; use secrets, "
         "secretFiles or remoteSecrets"),
        (pod_patch(containers=[{"image": "x:1"}]),
         "patch.spec.template.spec.containers[0]: has no name, which identifies an element of this list; add name"),
        (pod_patch(containers={"name": "x"}),
         "patch.spec.template.spec.containers: must be a list; write a YAML list, with - before each element"),
        (pod_patch(containers=[{"name": "shop", "$patch": "replace"}]),
         "patch.spec.template.spec.containers[0].$patch: is not delete; write $patch: delete, or {$patch: replace} "
         "as a separate element"),
        (pod_patch(tolerations=[{"$patch": "delete"}]),
         "patch.spec.template.spec.tolerations[0].$patch: has no effect: the patch replaces the whole list; remove it"),
        ({"kind": "Deployment", "patch": {"spec": {"strategy": {"$patch": "delete"}}}},
         "patch.spec.strategy.$patch: is not replace; write null to remove a field, or $patch: replace"),
        ({"kind": "Deployment", "patch": {"spec": {"$retainKeys": ["a"]}}},
         "patch.spec.$retainKeys: is a directive that homelab does not support; use $patch"),
        ({"kind": "Deployment", "patch": ["a"]}, "patch: must be a mapping, not a list; write it as key: value"),
    ],
)  # fmt: skip
def test_what_a_patch_must_not_change_is_said(patch: Any, line: str) -> None:
    assert problems(patch) == [line.replace(".$patch:", '["$patch"]:').replace(".$retainKeys:", '["$retainKeys"]:')]


def test_claims_and_secrets_have_keys_of_their_own() -> None:
    volumes = {"data": {"path": "/data", "size": "1Gi"}}
    claims = {"kind": "StatefulSet", "patch": {"spec": {"volumeClaimTemplates": []}}}
    assert problems(claims, volumes=volumes) == [
        "patch.spec.volumeClaimTemplates: cannot change in an existing StatefulSet; use volumes"
    ]
    secret = {"kind": "Secret", "patch": {"stringData": {"KEY": "x"}}}
    (line, *_) = problems(secret, secrets={"KEY": {"secret": "key"}})
    assert line == "patch.stringData: would store a secret in clear text; use secrets, secretFiles or imagePullSecret"


def test_a_value_that_is_encrypted_is_refused() -> None:
    (line,) = problems(pod_patch(hostname={"secure": "v1:abc"}))
    assert line.startswith("patch.spec.template.spec.hostname: contains an encrypted value; store the secret under")


@pytest.mark.parametrize("patch", [
    pod_patch(containers=[{"name": "shop", "$patch": "delete"}]),
    pod_patch(volumes=[{"$patch": "replace"}]),
    {"kind": "Deployment", "patch": {"spec": {"strategy": {"$patch": "replace", "type": "Recreate"}}}},
    pod_patch(volumes=[{"name": "x", "secret": {"secretName": "made-elsewhere"}}]),
    pod_patch(containers=None),
])  # fmt: skip
def test_what_a_patch_may_do(patch: Any) -> None:
    assert problems(patch) == []


def test_a_workload_without_pods_of_its_own_is_none_of_the_apps() -> None:
    """An app's kinds follow from its settings, before anything is made."""
    app = AppStack.read(ROOT / "tests/settings/apps/shop-dev.yaml").app
    assert sorted(f"{kind}/{name}" for kind, name in inventory.object_ids(app)) == [
        "Deployment/shop-dev", "Namespace/shop-dev", "NetworkPolicy/default-deny", "NetworkPolicy/shop-dev",
        "NetworkPolicy/shop-dev-job", "Service/shop-dev",
    ]  # fmt: skip
