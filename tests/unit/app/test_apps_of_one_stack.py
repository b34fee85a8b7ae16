"""Several apps in one stack: what is accepted, and what is open between them."""

import gc
import re
from typing import Any

import pulumi
import pytest

from components.app.connections import open_egress
from stacks import stackfile
from stacks.settings import AppStack, SettingsError
from tests.support.app_stacks import SEVERAL_APPS, objects, run_apps
from tests.support.nonsense import SECRET, check_reports_on_nonsense
from tests.unit.app.test_network import allowed

APP = {"image": "shop:1"}
PINNED: dict[str, Any] = APP | {"hostNetwork": True, "nodes": {"disk": "ssd"}}
"""Settings of an app that runs only on the node b, in the node's network."""


def parsed(**apps: Any) -> AppStack:
    return AppStack.parse({"apps": {"platform": "lab", **{name: APP | app for name, app in apps.items()}}}, set(), "x")


def report(config: dict[str, Any], secrets: set[str] = frozenset()) -> list[str]:  # type: ignore[assignment]
    """The report on a configuration, empty if it is accepted."""
    try:
        AppStack.parse(config, secrets, "media")
    except SettingsError as error:
        return str(error).splitlines()
    return []


def test_the_key_is_the_name() -> None:
    found = AppStack.read(SEVERAL_APPS)
    assert found.has_several_apps
    assert {path: app.name for path, app in found.apps.items()} == {
        "homelab:apps.sonarr": "sonarr", "homelab:apps.radarr": "radarr", "homelab:apps.sabnzbd": "sabnzbd",
    }  # fmt: skip
    assert parsed(blog={"name": "blog"}).apps["homelab:apps.blog"].name == "blog"


def test_one_app_is_as_before() -> None:
    found = AppStack.parse({"app": {"platform": "lab", **APP}}, set(), "shop")
    assert not found.has_several_apps
    assert list(found.apps) == ["homelab:app"]
    assert found.app.name == "shop"


def test_without_any_app_the_stack_says_so() -> None:
    assert report({}) == ["homelab:app: is missing; describe the app under this key, see docs/apps.md"]
    assert report({"apps": None}) == ["homelab:apps: must be a mapping, not empty; write it as key: value"]


@pytest.mark.parametrize("key", ["app", "apps"])
def test_an_encrypted_section_is_refused(key: str) -> None:
    (line,) = report({}, {key})
    assert line.startswith(f"homelab:{key}: contains an encrypted value; store the secret under its own key")


def test_an_encrypted_value_in_an_app_is_refused() -> None:
    (line,) = report({"apps": {"platform": "lab", "shop": APP | {"command": [{"secure": SECRET}]}}})
    assert line.startswith("homelab:apps.shop.command[0]: contains an encrypted value; ")


def test_any_nonsense_anywhere_ends_in_a_report() -> None:
    config, secrets = stackfile.read(SEVERAL_APPS)
    check_reports_on_nonsense(config, lambda changed: report(changed, secrets))


def test_apps_may_share_a_host_under_other_paths() -> None:
    assert parsed(a={"hosts": ["x"], "paths": ["/a"]}, b={"hosts": ["x"], "paths": ["/b"]}).apps


@pytest.mark.parametrize("host", ["x", "x.example.com", "*.example.com", "*"])
def test_apps_may_not_share_a_host_and_a_path(host: str) -> None:
    web = APP | {"hosts": [host], "tls": {"certificate": False}}
    apps = {"a": web | {"paths": ["/x", "/y"]}, "b": web | {"hosts": ["b", host], "paths": ["/z", "/y"]}}
    assert report({"apps": {"platform": "lab", **apps}}) == [
        f"homelab:apps.b.hosts[1]: serves {host}/y, which the app a also serves; change hosts or paths of one of the "
        "two apps"
    ]
    assert report({"apps": {"platform": "lab", **apps, "b": APP | {"hosts": ["b"], "paths": ["/y"]}}}) == []


def test_what_one_app_allows_is_open_on_both_sides() -> None:
    found = objects(run_apps())
    assert "from ns:sonarr 8080" in allowed(found["NetworkPolicy/sabnzbd/sabnzbd"])
    assert "from ns:radarr 8080" in allowed(found["NetworkPolicy/sabnzbd/sabnzbd"])
    assert allowed(found["NetworkPolicy/sonarr/sonarr"]) == [
        "from ns:traefik 8989", "from ns:monitoring 8989", "to ns:sabnzbd *"
    ]  # fmt: skip
    assert allowed(found["NetworkPolicy/radarr/radarr"]) == [
        "from ns:traefik 7878", "to ns:sabnzbd *", "to radarr-db 5432"
    ]  # fmt: skip
    for egress in (found["NetworkPolicy/sabnzbd/sabnzbd"], found["NetworkPolicy/sabnzbd/sabnzbd-job"]):
        assert not [line for line in allowed(egress) if line.startswith("to ")], "an allowed client is no server"


def destinations(stack: AppStack, name: str) -> list[tuple[str | None, tuple[int, ...]]]:
    opened = open_egress(stack.apps)[f"homelab:apps.{name}"]
    return [(each.namespace, each.ports) for each in opened.allow.to]


def test_an_egress_rule_of_the_client_stays_as_it_is() -> None:
    narrow = {"allow": {"to": [{"namespace": "shop", "ports": [8080]}, {"network": "10.0.0.0/8"}]}}
    stack = parsed(shop={"allow": {"from": ["blog", "wiki"]}}, blog=narrow, wiki={})
    assert destinations(stack, "blog") == [("shop", (8080,)), (None, ())]
    assert destinations(stack, "wiki") == [("shop", ())]
    assert destinations(stack, "shop") == []


def test_an_egress_rule_opens_no_ingress() -> None:
    stack = parsed(shop={}, blog={"allow": {"to": [{"namespace": "shop"}]}})
    assert open_egress(stack.apps) == stack.apps


@pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")
@pytest.mark.parametrize(
    ("apps", "line"),
    [
        (
            {"sonarr": {"hosts": ["tv"]}, "radarr": {"hosts": ["films", "tv.lab.example.com"], "paths": ["/"]}},
            "homelab:apps.radarr.hosts[1]: serves tv.lab.example.com/, like homelab:apps.sonarr.hosts[0]; keep one of "
            "them, or change its path",
        ),
        (
            {"sonarr": {"hosts": ["tv", "tv.lab.example.com"]}},
            "homelab:apps.sonarr.hosts[1]: serves tv.lab.example.com/, like homelab:apps.sonarr.hosts[0]; keep one of "
            "them, or change its path",
        ),
        (
            {"a": PINNED, "b": PINNED | {"ports": {"web": {"port": 9000, "targetPort": 8080}}, "port": 1900}},
            "homelab:apps.b.ports.web.targetPort: opens TCP port 8080 on the nodes, like homelab:apps.a.port: only one "
            "pod per node can open it, so 2 pods need 2 nodes, but the matching nodes are b; choose another port, "
            "or other nodes",
        ),
    ],
)
def test_values_that_are_equal_only_on_the_platform_are_refused(apps: Any, line: str) -> None:
    with pytest.raises(pulumi.RunError, match=re.escape(line)):
        run_apps(**apps)
    gc.collect()


@pytest.mark.parametrize(
    "apps",
    [
        {"sonarr": {"hosts": ["tv"]}, "radarr": {"hosts": ["tv.lab.example.com"], "paths": ["/films"]}},
        {"sonarr": {"hosts": ["tv", "tv.example.com", "*.lab.example.com"], "tls": {"certificate": False}}},
        {"a": PINNED, "b": PINNED | {"nodes": {"kubernetes.io/arch": "arm64"}, "port": 8080}},
        {"a": PINNED, "b": PINNED | {"port": 1900}},
        {"a": PINNED, "b": PINNED | {"hostNetwork": False, "port": 8080}},
    ],
)
def test_values_that_differ_on_the_platform_are_accepted(apps: Any) -> None:
    assert run_apps(**apps).registered
