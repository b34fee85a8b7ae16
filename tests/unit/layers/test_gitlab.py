"""GitLab: what ArgoCD is told, the password, and that nothing is installed by Helm."""

from dataclasses import replace
from typing import Any

import pytest

from components.layers.gitlab import GitLab
from components.settings.model import SecretRef
from stacks import stackfile
from stacks.settings import LabStack, SettingsError
from tests.support.layer_fixtures import lab, layer, objects, problems
from tests.support.recorder import canary, config_of, record
from tests.support.settings_fixtures import ROOT

BESIDE: dict[str, Any] = {"argocd": {}, "traefik": {}, "certManager": {}}
ROOT_PASSWORD = {"rootPassword": {"secret": "gitlabRoot"}}
FILE = ROOT / "tests/settings/valid/three-servers.yaml"


def spec(**given: Any) -> Any:
    return objects("gitlab", lab(**BESIDE, gitlab=ROOT_PASSWORD | given))["Application", "gitlab"]


def test_argocd_installs_the_chart_of_the_catalog_and_helm_none() -> None:
    found = lab(**BESIDE, gitlab=ROOT_PASSWORD)
    assert not layer("gitlab", found).values()
    (application,) = layer("gitlab", found).objects_after_charts()
    assert application["metadata"]["namespace"] == "argocd"
    source = application["spec"]["source"]
    chart = found.charts["gitlab"]
    assert (source["chart"], source["targetRevision"], source["repoURL"]) == (
        "gitlab", chart.version, "https://charts.gitlab.io",
    )  # fmt: skip
    assert application["spec"]["destination"]["namespace"] == "gitlab"


def test_another_version_and_mirror_go_for_it_too() -> None:
    config = config_of(FILE)
    platform = {"versions": {"gitlab": "9.9.1"}, "chartMirror": "https://charts.lan"}
    found = LabStack.parse({**config, "platform": platform}, {"sshKey"}, "lab")
    chart = found.platform.lab(found.cluster).charts["gitlab"]
    assert (chart.version, chart.repository) == ("9.9.1", "https://charts.lan")


def test_registry_as_mirror_of_charts_is_refused_for_it() -> None:
    config, secrets = stackfile.read(FILE)
    argocd = {"argocd": {"adminPassword": {"secret": "sshKey"}}}
    platform = {**BESIDE, **argocd, "gitlab": {"rootPassword": {"secret": "sshKey"}}, "chartMirror": "oci://charts.lan"}
    with pytest.raises(SettingsError, match="gitlab: is deployed by Argo CD, which has no access to the OCI registry"):
        LabStack.parse({**config, "platform": platform}, secrets, "lab")


def test_password_is_in_a_secret_and_not_in_the_application() -> None:
    (secret,) = layer("gitlab", lab(**BESIDE, gitlab=ROOT_PASSWORD)).objects_before_charts()
    assert secret["stringData"] == {"password": SecretRef(secret="gitlabRoot")}
    told = spec()["source"]["helm"]["valuesObject"]["global"]["initialRootPassword"]
    assert told == {"secret": secret["metadata"]["name"], "key": "password"}


def test_registry_and_store_are_beside_the_page_each_with_a_certificate_of_its_own() -> None:
    values = spec(host="git.example.org")["source"]["helm"]["valuesObject"]
    assert values["global"]["hosts"] == {"domain": "example.org", "gitlab": {"name": "git.example.org"}}
    ends = (values["gitlab"]["webservice"], values["registry"], values["minio"])
    assert len({each["ingress"]["tls"]["secretName"] for each in ends}) == 3
    assert values["global"]["ingress"]["class"] == "traefik"
    assert values["nginx-ingress"] == {"enabled": False}


def test_what_it_deployed_goes_with_it_after_the_guard() -> None:
    (application,) = layer("gitlab", lab(**BESIDE, gitlab=ROOT_PASSWORD)).objects_after_charts()
    assert application["metadata"]["finalizers"]
    assert GitLab.user_data_queries == ("persistentvolumeclaims -n gitlab",)


def test_its_store_runs_where_its_images_do() -> None:
    assert spec()["source"]["helm"]["valuesObject"]["minio"]["nodeSelector"] == {"kubernetes.io/arch": "amd64"}
    found = lab(**BESIDE, gitlab=ROOT_PASSWORD)
    nodes = tuple(node.model_copy(update={"arch": "arm64"}) for node in found.cluster.nodes)
    arm = replace(found, cluster=found.cluster.model_copy(update={"nodes": nodes}))
    assert problems("gitlab", found) == []
    (report,) = problems("gitlab", arm)
    assert "the images of GitLab's object store exist only for amd64" in report


def test_a_layer_without_a_chart_is_made() -> None:
    acme = {"email": "me@example.com", "cloudflare": {"apiToken": {"secret": "token"}}}
    platform = {
        "argocd": {}, "certManager": {"acme": acme}, "traefik": {},
        "metallb": {"addresses": ["10.0.0.200-10.0.0.210"]}, "gitlab": ROOT_PASSWORD,
    }  # fmt: skip
    secrets = {name: canary(name) for name in ("token", "gitlabRoot")}
    run = record(config_of(FILE) | secrets | {"platform": platform})
    assert run.resource("gitlab-application-gitlab")
    assert run.resource("gitlab-gate").plain["variables"]["RELEASES"] == ""


@pytest.mark.parametrize(
    ("given", "argocd", "report"),
    [
        ({"host": "gitlab"}, {}, "host: has no domain, which the host name of GitLab's registry needs; "
         "write it as gitlab.lab.example.com"),
        ({}, {"applications": {"gitlab": {"repository": "https://git.lan/x", "path": "x"}}},
         ": has the same Application name as argocd.applications.gitlab; rename the application in Argo CD"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_reported(given: Any, argocd: Any, report: str) -> None:
    assert problems("gitlab", lab(**BESIDE | {"argocd": argocd}, gitlab=ROOT_PASSWORD | given)) == [report]
