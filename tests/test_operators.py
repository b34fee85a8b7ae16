"""The rehearsal's operators on an API in memory: what each does, and that it waits for its chart."""

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from rehearsal.operators import argocd, cert_manager, longhorn, metallb, traefik
from rehearsal.operators.api import whole
from rehearsal.operators.run import operators
from tests.kubernetes import Json, Memory

WORKLOADS = {
    "metallb": ("metallb-system", "metallb-controller"),
    "longhorn": ("longhorn-system", "longhorn-driver-deployer"),
    "traefik": ("traefik", "traefik"),
    "cert_manager": ("cert-manager", "cert-manager"),
    "argocd": ("argocd", "argo-cd-argocd-application-controller"),
}


def put(api: Memory, group: str, plural: str, name: str, namespace: str = "", **rest: Any) -> Json:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **rest.pop("metadata", {})}
    place = f"namespaces/{namespace}/" if namespace else ""
    kind = rest.pop("kind", plural)
    api.create(f"/{group}/{place}{plural}", {"apiVersion": group, "kind": kind, "metadata": metadata, **rest})
    return api.named(plural, name)


@pytest.fixture
def api() -> Memory:
    """A cluster with two nodes, in which every chart runs."""
    memory = Memory()
    for namespace, name in WORKLOADS.values():
        put(memory, "apis/apps/v1", "deployments", name, namespace, status={"readyReplicas": 1})
    for name, address in (("a", "10.0.0.1"), ("b", "10.0.0.2")):
        conditions = [{"type": "Ready", "status": "True"}]
        addresses = [{"type": "InternalIP", "address": address}]
        put(memory, "api/v1", "nodes", name, spec={}, status={"conditions": conditions, "addresses": addresses})
    return memory


def pool(api: Memory, name: str, *addresses: str, **spec: Any) -> None:
    given = {"addresses": list(addresses), **spec}
    put(api, "apis/metallb.io/v1beta1", "ipaddresspools", name, "metallb-system", spec=given)


def balancer(api: Memory, name: str, **annotations: str) -> Json:
    given = {f"metallb.io/{key}": value for key, value in annotations.items()}
    spec = {"type": "LoadBalancer"}
    return put(api, "api/v1", "services", name, "shop", spec=spec, metadata={"annotations": given})


def test_every_operator_is_run(tmp_path: Path) -> None:
    assert operators(tmp_path).keys() == WORKLOADS.keys()


@pytest.mark.parametrize("name", WORKLOADS)
def test_nothing_is_done_before_the_chart_runs(name: str, api: Memory, tmp_path: Path) -> None:
    _, workload = WORKLOADS[name]
    api.named("deployments", workload)["status"] = {"readyReplicas": 0}
    pool(api, "default", "10.0.0.100/30")
    balancer(api, "web")
    put(api, "apis/cert-manager.io/v1", "clusterissuers", "ca", spec={"selfSigned": {}})
    put(api, "apis/argoproj.io/v1alpha1", "applications", "x", "argocd", spec={})
    before = str(api.objects)
    operators(tmp_path)[name](api)
    assert str(api.objects) == before


def test_metallb_gives_what_is_asked_for_else_what_is_free(api: Memory) -> None:
    pool(api, "default", "10.0.0.100-10.0.0.101")
    pool(api, "public", "10.0.0.200/31", autoAssign=False)
    services = [
        balancer(api, "fixed", loadBalancerIPs="10.0.0.101"),
        balancer(api, "any"),
        balancer(api, "full"),
        balancer(api, "named", **{"address-pool": "public"}),
        balancer(api, "outside", loadBalancerIPs="10.0.9.9"),
    ]
    metallb.reconcile(api)
    assert [metallb.given(each) for each in services] == [["10.0.0.101"], ["10.0.0.100"], [], ["10.0.0.200"], []]


def test_metallb_leads_to_a_node_with_a_pod(api: Memory) -> None:
    service = balancer(api, "web")
    endpoints = [
        {"nodeName": "a", "conditions": {"ready": False}},
        {"nodeName": "b", "conditions": {"ready": True}},
    ]
    labels = {"kubernetes.io/service-name": "web"}
    put(api, "apis/discovery.k8s.io/v1", "endpointslices", "web-1", "shop", endpoints=endpoints,
        metadata={"labels": labels})  # fmt: skip
    assert metallb.speaker(api, service, {"a": "10.0.0.1", "b": "10.0.0.2"}) == "10.0.0.2"


def claim(api: Memory, name: str, **annotations: str) -> Json:
    spec = {
        "storageClassName": "longhorn",
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    }
    metadata = {"annotations": annotations}
    return put(api, "api/v1", "persistentvolumeclaims", name, "shop", spec=spec, status={"phase": "Pending"},
               metadata=metadata)  # fmt: skip


def test_longhorn_makes_its_class_and_volumes_and_forgets_them(api: Memory, tmp_path: Path) -> None:
    text = "{metadata: {name: longhorn}, provisioner: driver.longhorn.io, volumeBindingMode: WaitForFirstConsumer}"
    put(api, "api/v1", "configmaps", "longhorn-storageclass", "longhorn-system", data={"storageclass.yaml": text})
    claim(api, "waits")
    placed = claim(api, "placed", **{longhorn.SELECTED: "a"})
    for _ in range(3):
        longhorn.reconcile(api, tmp_path)
    assert api.names("persistentvolumes") == api.names("volumes") == [longhorn.name(placed)]
    volume = api.named("persistentvolumes", longhorn.name(placed))
    assert volume["spec"]["claimRef"]["uid"] == placed["metadata"]["uid"]
    assert volume["spec"]["local"]["path"] == f"{longhorn.FOLDER}/{longhorn.name(placed)}"
    (content,) = tmp_path.iterdir()
    assert content.name == longhorn.name(placed)
    volume["status"] = {"phase": "Released"}
    api.delete("/api/v1/namespaces/shop/persistentvolumeclaims/placed")
    longhorn.reconcile(api, tmp_path)
    assert api.names("persistentvolumes") == api.names("volumes") == []
    assert not content.exists()


def test_traefik_shows_its_address(api: Memory) -> None:
    found = {"loadBalancer": {"ingress": [{"ip": "10.0.0.100", "ipMode": "VIP"}]}}
    put(api, "api/v1", "services", "traefik", "traefik", status=found)
    ours = put(api, "apis/networking.k8s.io/v1", "ingresses", "shop", "shop", spec={"ingressClassName": "traefik"})
    other = put(api, "apis/networking.k8s.io/v1", "ingresses", "other", "shop", spec={"ingressClassName": "nginx"})
    traefik.reconcile(api)
    assert ours["status"] == {"loadBalancer": {"ingress": [{"ip": "10.0.0.100"}]}}
    assert other["status"] == {}


def test_objects_of_a_list_are_whole() -> None:
    pods = {"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {"name": "x"}}]}
    assert whole(pods) == [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}]


def test_cert_manager_signs_by_an_issuer_of_the_same_namespace_only(api: Memory) -> None:
    group = "apis/cert-manager.io/v1"
    put(api, group, "issuers", "own", "shop", spec={"selfSigned": {}})
    for namespace in ("shop", "other"):
        spec = {"secretName": "tls", "dnsNames": ["a.test"], "issuerRef": {"kind": "Issuer", "name": "own"}}
        put(api, group, "certificates", f"of-{namespace}", namespace, spec=spec)
    for _ in range(2):
        cert_manager.reconcile(api)
    assert api.named("issuers", "own")["status"]["conditions"][0]["status"] == "True"
    assert api.named("certificates", "of-shop")["status"]["conditions"][0]["status"] == "True"
    assert not api.named("certificates", "of-other")["status"]


def test_cert_manager_signs_with_the_lab_s_own_authority(api: Memory) -> None:
    group = "apis/cert-manager.io/v1"
    put(api, group, "clusterissuers", "bootstrap", spec={"selfSigned": {}})
    put(api, group, "clusterissuers", "ca", spec={"ca": {"secretName": "ca"}})
    reference = {"name": "bootstrap", "kind": "ClusterIssuer"}
    put(api, group, "certificates", "ca", "cert-manager",
        spec={"secretName": "ca", "isCA": True, "commonName": "lab", "issuerRef": reference})  # fmt: skip
    put(api, "apis/networking.k8s.io/v1", "ingresses", "shop", "shop", kind="Ingress",
        metadata={"annotations": {cert_manager.ISSUER: "ca"}},
        spec={"tls": [{"secretName": "shop-tls", "hosts": ["shop.lab.test"]}]})  # fmt: skip
    for _ in range(4):
        cert_manager.reconcile(api)
    data = api.named("secrets", "shop-tls")["data"]
    certificate, authority = (
        x509.load_pem_x509_certificate(base64.b64decode(data[key])) for key in ("tls.crt", "ca.crt")
    )
    certificate.verify_directly_issued_by(authority)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["shop.lab.test"]
    assert api.named("certificates", "shop-tls")["status"]["conditions"][0]["status"] == "True"


def test_application_is_in_sync_until_it_is_deleted(api: Memory) -> None:
    spec = {"source": {"targetRevision": "v1"}}
    found = put(api, "apis/argoproj.io/v1alpha1", "applications", "x", "argocd", spec=spec,
                metadata={"finalizers": ["resources-finalizer.argocd.argoproj.io"]})  # fmt: skip
    argocd.reconcile(api)
    assert found["status"]["sync"] == {"status": "Synced", "revision": "v1"}
    found["metadata"]["deletionTimestamp"] = "now"
    argocd.reconcile(api)
    assert "finalizers" not in found["metadata"]
