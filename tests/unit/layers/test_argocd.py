"""ArgoCD: its page, its repositories, and what it deploys."""

from typing import Any

import pytest

from components.kubernetes.manifest import BcryptHash
from components.platform.layer import LabContext
from components.settings.model import SecretRef
from tests.support.layer_fixtures import CLOUDFLARE, lab, layer, objects, problems, values

GIT = "https://git.lan/apps"
KEYED: dict[str, Any] = {"url": "git@git.lan:apps", "sshKey": {"secret": "key"}}


def argocd(**given: Any) -> LabContext:
    return lab(certManager={}, traefik={}, argocd=given)


def application(**given: Any) -> Any:
    made = objects("argocd", argocd(applications={"shop": {"repository": GIT, **given}}))
    return made["Application", "shop"]


def test_the_page_is_behind_traefik_with_a_certificate() -> None:
    found = argocd()
    given = values("argocd", found)
    assert given["global"]["domain"] == "argocd.lab.example.com"
    assert given["server"]["ingress"] == {
        "enabled": True,
        "ingressClassName": "traefik",
        "hostname": "argocd.lab.example.com",
        "annotations": {"cert-manager.io/cluster-issuer": "ca"},
        "tls": True,
    }
    assert given["configs"] == {"params": {"server.insecure": True}}
    assert layer("argocd", found).outputs() == {"gitops_namespace": "argocd"}
    assert not layer("argocd", found).objects_before_charts()
    assert not layer("argocd", found).objects_after_charts()
    assert not problems("argocd", found)


def test_without_certificates_traefik_shows_its_own() -> None:
    given = values("argocd", lab(traefik={}, argocd={}))["server"]["ingress"]
    assert (given["tls"], given["annotations"]) == (False, {})


def test_without_traefik_there_is_no_way_from_outside() -> None:
    given = values("argocd", lab(certManager={}, argocd={}))
    assert given["server"]["ingress"] == {"enabled": False}
    assert given["configs"]["params"] == {"server.insecure": False}


def test_host_and_issuer() -> None:
    manager = {"acme": CLOUDFLARE, "ca": {}}
    found = lab(certManager=manager, traefik={}, argocd={"host": "git.lab.org", "issuer": "ca"})
    given = values("argocd", found)["server"]["ingress"]
    assert (given["hostname"], given["annotations"]["cert-manager.io/cluster-issuer"]) == ("git.lab.org", "ca")
    default = values("argocd", lab(certManager=manager, traefik={}, argocd={}))["server"]["ingress"]
    assert default["annotations"]["cert-manager.io/cluster-issuer"] == "letsencrypt"


def test_the_password_is_hashed_and_dated_once() -> None:
    given = values("argocd", argocd(adminPassword={"secret": "admin"}))["configs"]["secret"]
    assert given == {
        "argocdServerAdminPassword": BcryptHash(SecretRef(secret="admin")),
        "argocdServerAdminPasswordMtime": "2026-01-01T00:00:00Z",
    }


@pytest.mark.parametrize(("name", "replicas"), [("three-servers", 2), ("one-server", 1)])
def test_copies_and_disruption_budgets_follow_the_machines(name: str, replicas: int) -> None:
    given = values("argocd", lab(name, argocd={}))
    for part in ("server", "repoServer", "applicationSet"):
        assert given[part]["replicas"] == replicas
        assert given[part]["pdb"]["enabled"] is (replicas > 1)
    assert given["redis-ha"] == {"enabled": False}
    assert not given["dex"]["enabled"]
    assert not given["notifications"]["enabled"]


def test_copies_of_the_cache() -> None:
    found = argocd(redisCopies=True)
    assert values("argocd", found)["redis-ha"]["enabled"] is True
    assert not problems("argocd", found)
    report = "redisCopies: needs 3 untainted nodes, but the cluster has 1; "
    report += "remove redisCopies: one Redis is enough, because Argo CD uses Redis only as a cache"
    assert problems("argocd", lab("one-server", argocd={"redisCopies": True})) == [report]


def test_balancers_of_the_cache_are_replaced_where_no_fourth_machine_is() -> None:
    given = values("argocd", argocd(redisCopies=True))["redis-ha"]["haproxy"]["deploymentStrategy"]
    assert given == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}


def test_monitors_are_on_where_something_reads_them() -> None:
    found = argocd()
    for on, layers in ((False, found.layers), (True, {**found.layers, "monitoring": found.layers["traefik"]})):
        given = values("argocd", LabContext(found.cluster, layers))
        for part in ("controller", "server", "repoServer", "applicationSet"):
            assert given[part]["metrics"] == {"enabled": on, "serviceMonitor": {"enabled": on}}


def test_repositories_become_secrets_that_argocd_reads() -> None:
    private = {"url": GIT, "username": "me", "password": {"secret": "token"}}
    found = argocd(repositories={"ours": KEYED, "theirs": private}, knownHosts=["a ssh-ed25519 A", "b ssh-rsa B"])
    ours, theirs = layer("argocd", found).objects_before_charts()
    labels = {"argocd.argoproj.io/secret-type": "repository"}
    assert ours["metadata"] == {"name": "repository-ours", "namespace": "argocd", "labels": labels}
    key = SecretRef(secret="key")
    assert ours["stringData"] == {"name": "ours", "url": KEYED["url"], "type": "git", "sshPrivateKey": key}
    assert theirs["stringData"]["username"] == "me"
    assert theirs["stringData"]["password"] == SecretRef(secret="token")
    assert values("argocd", found)["configs"]["ssh"] == {"extraHosts": "a ssh-ed25519 A\nb ssh-rsa B"}
    assert not problems("argocd", found)


def test_applications_are_kept_as_git_has_them() -> None:
    made = application(path="shop")
    assert made["project"] == "default"
    assert made["source"] == {"repoURL": GIT, "targetRevision": "HEAD", "path": "shop"}
    assert made["destination"] == {"server": "https://kubernetes.default.svc", "namespace": "shop"}
    assert made["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
    assert made["syncPolicy"]["syncOptions"] == ["CreateNamespace=true"]


def test_applications_as_they_are_wanted() -> None:
    switches = {"prune": False, "selfHeal": False, "createNamespace": False, "serverSideApply": True}
    made = application(chart="shop", revision="1.0.0", namespace="front", values={"a": {"b": 1}}, **switches)
    source = {"repoURL": GIT, "targetRevision": "1.0.0", "chart": "shop", "helm": {"valuesObject": {"a": {"b": 1}}}}
    assert made["source"] == source
    assert made["destination"]["namespace"] == "front"
    assert made["syncPolicy"]["automated"] == {"prune": False, "selfHeal": False}
    assert made["syncPolicy"]["syncOptions"] == ["ServerSideApply=true"]


@pytest.mark.parametrize("cascade", [False, True])
def test_what_was_deployed_goes_only_if_it_is_wanted(cascade: bool) -> None:
    given = {"repository": GIT, "cascade": cascade}
    sets = {"all": given | {"directories": ["*"]}}
    one, all_ = layer(
        "argocd", argocd(applications={"one": given | {"path": "."}}, applicationSets=sets)
    ).objects_after_charts()
    assert ("finalizers" in one["metadata"]) is cascade
    assert all_["spec"]["syncPolicy"] == {"preserveResourcesOnDeletion": not cascade}


def test_sets_make_an_application_of_each_folder_or_element() -> None:
    elements = {"repository": "ours", "path": "{{.name}}", "elements": [{"name": "a"}, {"name": "b"}]}
    folders = {"repository": "ours", "directories": ["apps/*"], "revision": "main", "namespace": "shop"}
    found = argocd(repositories={"ours": KEYED}, applicationSets={"each": elements, "folders": folders})
    made = objects("argocd", found)
    each, folders = made["ApplicationSet", "each"], made["ApplicationSet", "folders"]
    assert each["generators"] == [{"list": {"elements": [{"name": "a"}, {"name": "b"}]}}]
    assert each["template"]["metadata"] == {"name": "{{.name}}"}
    assert each["template"]["spec"]["source"]["path"] == "{{.name}}"
    (generator,) = folders["generators"]
    assert generator["git"] == {"repoURL": KEYED["url"], "revision": "main", "directories": [{"path": "apps/*"}]}
    assert folders["template"]["metadata"] == {"name": "{{.path.basenameNormalized}}"}
    assert folders["template"]["spec"]["source"]["path"] == "{{.path.path}}"
    assert folders["template"]["spec"]["destination"]["namespace"] == "shop"
    assert not problems("argocd", found)


def test_projects_and_the_application_of_applications() -> None:
    projects = {"shop": {"repositories": ["ours", f"{GIT}/*"], "namespaces": ["shop-*"]}, "base": {"clusterWide": True}}
    root = {"repository": "ours", "path": "lab", "revision": "main"}
    found = argocd(repositories={"ours": KEYED}, projects=projects, root=root)
    made = objects("argocd", found)
    shop = made["AppProject", "shop"]
    assert shop["sourceRepos"] == [KEYED["url"], f"{GIT}/*"]
    assert [each["namespace"] for each in shop["destinations"]] == ["shop-*"]
    assert shop["clusterResourceWhitelist"] == [{"group": "", "kind": "Namespace"}]
    assert made["AppProject", "base"]["clusterResourceWhitelist"] == [{"group": "*", "kind": "*"}]
    source = {"repoURL": KEYED["url"], "targetRevision": "main", "path": "lab"}
    assert made["Application", "root"]["source"] == source
    assert made["Application", "root"]["destination"]["namespace"] == "argocd"
    assert not problems("argocd", found)
