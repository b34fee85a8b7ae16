"""Ingresses of an app, and the Middlewares of Traefik in front of it."""

import gc
import re
from typing import Any

import bcrypt
import pulumi
import pytest

from components.app import config_objects, requirements
from components.app.ingress_settings import AppRedirectSettings
from components.app.redirects import redirect_regex
from components.layers.traefik.layer import INGRESS_CLASS
from stacks.settings import AppStack
from tests.support.app_stacks import OUTPUTS, created, objects, outputs_without, run_fixture
from tests.support.envelopes import is_sealed
from tests.support.recorder import Recording, canary
from tests.support.settings_fixtures import ROOT

FAILS = pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")
MIDDLEWARES = "traefik.ingress.kubernetes.io/router.middlewares"
PRIORITY = "traefik.ingress.kubernetes.io/router.priority"


@pytest.fixture(scope="module")
def web() -> Recording:
    return run_fixture("web")


def middleware(recording: Recording, suffix: str, app: str = "web") -> Any:
    return objects(recording)[f"Middleware/{app}-{suffix}"]["spec"]


def ingresses(recording: Recording) -> dict[str, Any]:
    found = objects(recording)
    return {key.partition("/")[2]: each for key, each in found.items() if key.startswith("Ingress/")}


def rules(ingress: Any) -> list[str]:
    return [each.get("host", "") for each in ingress["spec"]["rules"]]


def test_hosts_are_grouped_by_issuer_and_priority(web: Recording) -> None:
    found = ingresses(web)
    assert {name: rules(each) for name, each in found.items()} == {
        "web": ["web.lab.example.com", "www.example.org"],
        "web-tls-own-ca": ["example.org"],
        "web-wildcard-tls-own-ca": ["*.shop.example.com"],
        "web-default": [""],
    }
    notes = {name: each["metadata"]["annotations"] for name, each in found.items()}
    assert {name: each.get("cert-manager.io/cluster-issuer") for name, each in notes.items()} == {
        "web": "letsencrypt", "web-tls-own-ca": "own-ca", "web-wildcard-tls-own-ca": "own-ca", "web-default": None,
    }  # fmt: skip
    assert found["web"]["spec"]["tls"] == [
        {"hosts": ["web.lab.example.com", "www.example.org"], "secretName": "web-tls"}
    ]
    assert found["web-tls-own-ca"]["spec"]["tls"] == [{"hosts": ["example.org"], "secretName": "web-tls-own-ca-tls"}]
    assert "tls" not in found["web-default"]["spec"], "no certificate has all names"
    assert {name: each.get(PRIORITY) for name, each in notes.items()} == {
        "web": None, "web-tls-own-ca": None, "web-wildcard-tls-own-ca": "3", "web-default": "2",
    }  # fmt: skip


def test_wildcards_are_no_urls(web: Recording) -> None:
    names = ("web.lab.example.com", "www.example.org", "example.org")
    assert web.stack_outputs["urls"] == [f"https://{name}" for name in names]


def test_only_the_host_of_all_others_needs_no_issuer() -> None:
    found = run_fixture("shop-dev", hosts=["*"], outputs=outputs_without("issuer", "issuers"))
    assert list(ingresses(found)) == ["shop-dev-default"]
    assert "NetworkPolicy/shop-dev-acme" not in objects(found)


def test_requests_pass_the_middlewares_in_order(web: Recording) -> None:
    """Who may not come in is told before a password is asked for, and bodies are stored last."""
    own = ("response", "allow", "redirect1", "redirect2", "auth", "body", "request", "strip")
    wanted = ["security-bouncer@kubernetescrd", *(f"web-web-{each}@kubernetescrd" for each in own)]
    for ingress in ingresses(web).values():
        assert ingress["metadata"]["annotations"][MIDDLEWARES].split(",") == wanted
    assert MIDDLEWARES not in ingresses(run_fixture("shop-prod"))["shop-prod"]["metadata"]["annotations"]


def test_middlewares_exist_before_the_ingress_names_them(web: Recording) -> None:
    """Traefik answers with 404 while a Middleware is missing."""
    made = [each for each in created(web) if each.plain["kind"] == "Middleware"]
    (ingress,) = (each for each in created(web) if each.plain["kind"] == "Ingress" and each.name == "web")
    assert set(map(id, made)) <= set(map(id, web.dependencies(ingress)))


def test_options_of_the_middlewares(web: Recording) -> None:
    assert middleware(web, "response") == {
        "headers": {"customResponseHeaders": {"Strict-Transport-Security": "max-age=31536000", "Server": ""}}
    }
    assert middleware(web, "request") == {"headers": {"customRequestHeaders": {"X-Script-Name": "/api"}}}
    assert middleware(web, "allow") == {"ipAllowList": {"sourceRange": ["192.168.1.0/24", "fd00::/8"]}}
    assert middleware(web, "body") == {"buffering": {"maxRequestBodyBytes": 10 * 1024 * 1024}}
    assert middleware(web, "strip") == {"stripPrefix": {"prefixes": ["/api/v2", "/api"]}}
    assert middleware(web, "redirect1")["redirectRegex"]["permanent"] is True
    assert middleware(web, "redirect2")["redirectRegex"]["regex"].startswith(r"^(https?://web\.lab\.example\.com")


def test_passwords_become_hashes_in_a_secret(web: Recording) -> None:
    (secret,) = (each for each in created(web) if each.plain["kind"] == "Secret")
    assert middleware(web, "auth") == {
        "basicAuth": {"secret": "web-htpasswd-1a2b3c4d", "removeHeader": True, "headerField": "X-User"}
    }
    assert is_sealed(secret.inputs["stringData"]["users"])
    assert canary("myPassword") not in str(secret.plain)
    lines = dict(line.split(":") for line in secret.plain["stringData"]["users"].splitlines())
    assert lines.keys() == {"me", "you"}
    for user, name in (("me", "myPassword"), ("you", "yourPassword")):
        assert lines[user].startswith("$2b$05$")
        assert bcrypt.checkpw(canary(name).encode(), lines[user].encode())
    again = objects(run_fixture("web"))["Secret/web-htpasswd"]
    assert again["stringData"] == secret.plain["stringData"], "each run would replace the Secret"


def test_a_service_authenticates() -> None:
    forward = {"address": "http://authelia.authelia/api/authz?x=1", "authResponseHeaders": ["Remote-User"]}
    found = run_fixture("shop-dev", hosts=["shop"], ingress={"forwardAuth": forward})
    assert middleware(found, "auth", "shop-dev") == {"forwardAuth": forward}
    assert not [key for key in objects(found) if key.startswith("Secret/")]


def test_a_time_limit_is_an_option_of_the_service(web: Recording) -> None:
    found = objects(web)
    assert found["ServersTransport/web-transport"]["spec"] == {"forwardingTimeouts": {"responseHeaderTimeout": "30s"}}
    annotation = "traefik.ingress.kubernetes.io/service.serverstransport"
    assert found["Service/web"]["metadata"]["annotations"][annotation] == "web-web-transport@kubernetescrd"
    (service,) = (each for each in created(web) if each.plain["kind"] == "Service")
    assert "ServersTransport" in {each.plain.get("kind") for each in web.dependencies(service)}
    bare = objects(run_fixture("shop-dev", hosts=["shop"]))
    assert annotation not in bare["Service/shop-dev"]["metadata"]["annotations"]
    assert not [key for key in bare if key.startswith(("Middleware/", "ServersTransport/"))]


def test_paths_can_be_exact() -> None:
    exact = {"paths": ["/", "/feed"], "ingress": {"pathType": "Exact"}}
    found = run_fixture("shop-dev", hosts=["shop"], **exact, outputs=OUTPUTS | {"ingressClass": "nginx"})
    paths = ingresses(found)["shop-dev"]["spec"]["rules"][0]["http"]["paths"]
    assert [(each["path"], each["pathType"]) for each in paths] == [("/", "Exact"), ("/feed", "Exact")]


@pytest.mark.parametrize(
    ("redirect", "host", "url", "target"),
    [
        ({"to": "https://a.org"}, "www.a.org", "https://www.a.org/x?y=1", "https://a.org/x?y=1"),
        ({"to": "https://a.org/"}, "www.a.org", "https://www.a.org", "https://a.org"),
        ({"to": "https://a.org"}, "www.a.org", "http://www.a.org:8080/x", "https://a.org/x"),
        ({"to": "https://a.org/moved"}, "www.a.org", "https://www.a.org/x", "https://a.org/moved"),
        ({"to": "https://a.org"}, "www.a.org", "https://wwwxa.org/x", None),
        ({"to": "https://a.org"}, "www.a.org", "https://www.a.org.evil.com/x", None),
        ({"path": "/old/(.*)", "to": "/new/$1"}, None, "https://b.org/old/x?y=1", "https://b.org/new/x?y=1"),
        ({"path": "/old", "to": "/new"}, None, "https://b.org/old?y=1", "https://b.org/new?y=1"),
        ({"path": "/old", "to": "/new?z=2"}, None, "https://b.org/old?y=1", "https://b.org/new?z=2"),
        ({"path": "/old", "to": "/new"}, None, "https://b.org/older", None),
        ({"path": "/a|/b", "to": "/c"}, None, "https://b.org/b", "https://b.org/c"),
        ({"path": "/([a-z]+)/([0-9]+)", "to": "/$2${1}x"}, "b.org", "https://b.org/ab/12", "https://b.org/12abx"),
        ({"path": "/docs/(.*)", "to": "https://d.org/$1"}, "b.org", "https://b.org/docs/a", "https://d.org/a"),
        ({"path": "/docs/(.*)", "to": "https://d.org/$1"}, "b.org", "https://c.org/docs/a", None),
    ],
)
def test_redirects(redirect: dict[str, Any], host: str | None, url: str, target: str | None) -> None:
    options = redirect_regex(AppRedirectSettings.model_validate(redirect), host)
    assert replaced(options, url) == target


def replaced(options: Any, url: str) -> str | None:
    """What Traefik does: Go's syntax of groups in a replacement is another one than Python's."""
    found = re.search(options["regex"], url)
    group = r"\$\{(\w+)\}"
    return re.sub(group, lambda name: found[int(name[1]) if name[1].isdigit() else name[1]] or "",
                  options["replacement"]) if found else None  # fmt: skip


def test_given_lines_of_htpasswd_are_checked() -> None:
    given = "me:$2y$05$abc\nyou:$apr1$a$b\n"
    assert config_objects.checked_htpasswd("homelab:app", given) == given.strip()
    for bad in ("", "me", "me:word", "me:$2y$05$a\n\nyou:$1$a$b", "a:b:{SHA}x"):
        with pytest.raises(pulumi.RunError) as caught:
            config_objects.checked_htpasswd("homelab:apps.shop", bad)
        assert str(caught.value) == (
            f"homelab:apps.shop.ingress.basicAuth.htpasswd: line {2 if 'you' in bad else 1} of the secret is not a "
            "user with a hash that Traefik supports; set the secret to the output of `htpasswd -nB USER`"
        )


@FAILS
@pytest.mark.parametrize(
    ("outputs", "lines"),
    [
        (
            OUTPUTS | {"ingressClass": "nginx"},
            ["ingress: needs Traefik, but the platform has another ingress controller; set `traefik: {}` under "
             "homelab:platform"],
        ),
        (
            OUTPUTS | {"ingressTrafficPolicy": "Cluster"},
            ["ingress.allowFrom: needs the clients' IP addresses, which externalTrafficPolicy: Cluster and K3s' "
             "ServiceLB hide; use metallb, and `traefik: {externalTrafficPolicy: Local}`"],
        ),
        (
            OUTPUTS | {"issuers": ["letsencrypt"]},
            ["tls.issuers: names own-ca, which is not among issuers; use one of: letsencrypt"],
        ),
        (
            OUTPUTS | {"wildcardIssuers": ["other"]},
            ["tls.issuers: names own-ca, which is not among wildcardIssuers; use one of: other"],
        ),
    ],
)  # fmt: skip
def test_what_the_platform_does_not_give_is_refused(outputs: Any, lines: list[str]) -> None:
    with pytest.raises(pulumi.RunError) as caught:
        run_fixture("web", outputs=outputs)
    told = str(caught.value).replace(" in stack lab and run `pulumi up` on that stack", "").splitlines()
    assert told[1:] == [f"  homelab:app.{line}" for line in lines]
    gc.collect()


@FAILS
def test_the_default_issuer_of_a_wildcard_is_refused_if_it_cannot() -> None:
    with pytest.raises(pulumi.RunError, match=r"tls\.issuer: is letsencrypt by default, which is not among wildcardI"):
        run_fixture("shop-dev", hosts=["*.shop.example.com"])
    gc.collect()


def test_the_class_is_the_one_of_the_layer() -> None:
    app = AppStack.read(ROOT / "tests/settings/apps/web.yaml").app
    (needed,) = (need.name for need in requirements.required_outputs(app) if need.setting == "ingress")
    assert needed == INGRESS_CLASS
