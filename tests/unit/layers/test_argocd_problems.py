"""What is wrong between ArgoCD and the lab, its repositories and what it is to deploy."""

from typing import Any

import pytest
from pydantic import ValidationError

from components.layers.argocd.applications import ApplicationSettings
from components.layers.argocd.repositories import RepositorySettings
from tests.support.layer_fixtures import lab, problems

GIT = "https://git.lan/apps"
KEY: dict[str, Any] = {"sshKey": {"secret": "key"}}
LOGIN: dict[str, Any] = {"username": "me", "password": {"secret": "token"}}


def reports(given: dict[str, Any], **beside: Any) -> list[str]:
    return problems("argocd", lab(**beside, argocd=given))


@pytest.mark.parametrize(
    ("given", "beside", "report"),
    [
        ({"host": "a.lan"}, {}, "host: needs traefik, which is disabled; add traefik: {} next to argocd"),
        (
            {"issuer": "ca"},
            {"certManager": {}},
            "issuer: needs traefik, which is disabled; add traefik: {} next to argocd",
        ),
        (
            {"issuer": "ca"},
            {"traefik": {}},
            "issuer: needs certManager, which is disabled; add certManager: {} next to argocd",
        ),
        (
            {"issuer": "cb"},
            {"traefik": {}, "certManager": {}},
            "issuer: is not an issuer of certManager; use one of: ca",
        ),
    ],
)
def test_a_page_that_nothing_serves(given: dict[str, Any], beside: dict[str, Any], report: str) -> None:
    assert reports(given, **beside) == [report]


@pytest.mark.parametrize(
    ("given", "report"),
    [
        (
            {"url": GIT} | KEY,
            "sshKey: has no effect, because Argo CD reads the repository over HTTP; "
            "use the repository's ssh URL, or set username and password",
        ),
        (
            {"url": "git@git.lan:apps"},
            "sshKey: is missing: access over SSH needs a key; add sshKey, or use the https URL",
        ),
        (
            {"url": "ssh://git@git.lan/apps"} | KEY | LOGIN,
            "password: has no effect, because Argo CD reads the repository over SSH; "
            "use the repository's https URL, or set sshKey",
        ),
        (
            {"url": "http://git.lan/apps"} | LOGIN,
            "password: would be sent in clear text; use the repository's https URL",
        ),
        (
            {"url": GIT, "username": "me"},
            "username: is set without password; add password; Git services accept any username together with a token",
        ),
        (
            {"url": GIT, "password": {"secret": "token"}},
            "password: is set without username; add username; Git services accept any username together with a token",
        ),
        (
            {"url": "git@git.lan:apps", "type": "helm"} | KEY,
            "type: is helm, but Argo CD cannot read Helm charts over SSH; use the https URL",
        ),
    ],
)
def test_keys_that_do_not_fit_their_repository(given: dict[str, Any], report: str) -> None:
    assert reports({"repositories": {"ours": given}}) == [f"repositories.ours.{report}"]


def test_a_repository_is_named_once() -> None:
    report = "repositories.b.url: is also the URL of a; keep one entry for each repository"
    assert reports({"repositories": {"a": {"url": GIT}, "b": {"url": GIT}}}) == [report]


@pytest.mark.parametrize(
    ("given", "report"),
    [
        ("git.lan/apps", "is not the URL of a repository"),
        ("ftp://git.lan/apps", "is not the URL of a repository"),
        ("https://[::1/apps", "is not the URL of a repository"),
        ("https://me:hunter2@git.lan/apps", "must not contain credentials"),
        ("https://token@git.lan/apps", "must not contain credentials"),
        ("ssh://git:hunter2@git.lan/apps", "must not contain credentials"),
    ],
)
def test_urls_are_checked(given: str, report: str) -> None:
    with pytest.raises(ValidationError, match=report) as caught:
        RepositorySettings.model_validate({"url": given})
    assert "hunter2" not in str(caught.value)


def test_applications_hold_no_credentials_either() -> None:
    with pytest.raises(ValidationError, match="must not contain credentials"):
        ApplicationSettings.model_validate({"repository": "https://me:hunter2@git.lan/apps"})


@pytest.mark.parametrize(
    ("given", "report"),
    [
        (
            {"repository": GIT, "path": ".", "project": "team"},
            ".project: is not a project; use one of: default, base; or add it to projects",
        ),
        (
            {"repository": "their", "path": "."},
            ".repository: is neither a key under repositories nor a URL; use one of: ours, charts; or write its URL",
        ),
        ({"repository": GIT}, ": needs exactly one of path and chart; add one, or keep one of them"),
        (
            {"repository": GIT, "path": ".", "chart": "a", "revision": "1"},
            ": needs exactly one of path and chart; add one, or keep one of them",
        ),
        (
            {"repository": "charts", "chart": "a"},
            ".revision: is missing: a chart needs a fixed version; add the version of the chart",
        ),
        (
            {"repository": "charts", "path": "a"},
            ".repository: is a Helm repository; set chart and revision, or use a Git repository",
        ),
        (
            {"repository": "ours", "chart": "a", "revision": "1"},
            ".repository: is a Git repository; set path instead of chart, or use a Helm repository",
        ),
    ],
)
def test_applications_that_cannot_be_deployed(given: dict[str, Any], report: str) -> None:
    charts = {"url": "https://charts.lan", "type": "helm"}
    known = {"repositories": {"ours": {"url": GIT}, "charts": charts}, "projects": {"base": {}}}
    assert reports(known | {"applications": {"shop": given}}) == [f"applications.shop{report}"]


@pytest.mark.parametrize(
    ("given", "report"),
    [
        ({}, ": needs exactly one of directories and elements; add one, or keep one of them"),
        (
            {"directories": ["*"], "elements": [{"name": "a"}]},
            ": needs exactly one of directories and elements; add one, or keep one of them",
        ),
        ({"elements": [{"name": "a"}]}, ": needs exactly one of path and chart; add one, or keep one of them"),
        (
            {"directories": ["*"], "path": "a"},
            ".path: has no effect with directories; remove it, or use elements",
        ),
        (
            {"path": ".", "elements": [{"stage": "a"}]},
            ".elements.0: has no name; add name: the application gets this name",
        ),
        (
            {"path": ".", "elements": [{"name": "a"}, {"name": "a"}]},
            ".elements.1.name: is the name of another element too; give every element its own name",
        ),
    ],
)
def test_sets_that_make_no_applications(given: dict[str, Any], report: str) -> None:
    found = reports({"applicationSets": {"all": {"repository": GIT} | given}})
    assert found == [f"applicationSets.all{report}"]


@pytest.mark.parametrize(
    ("given", "report"),
    [
        (
            {"projects": {"default": {}}},
            "projects.default: is the name of Argo CD's built-in project, which allows everything; choose another name",
        ),
        (
            {"projects": {"shop": {"repositories": ["*", "ours"]}}},
            "projects.shop.repositories.1: is neither a key under repositories nor a URL; write its URL",
        ),
        (
            {"root": {"repository": "ours"}},
            "root.repository: is neither a key under repositories nor a URL; write its URL",
        ),
        (
            {"root": {"repository": GIT}, "applications": {"root": {"repository": GIT, "path": "."}}},
            "applications.root: is reserved for the setting root; choose another name",
        ),
    ],
)
def test_projects_and_root(given: dict[str, Any], report: str) -> None:
    assert reports(given) == [report]
