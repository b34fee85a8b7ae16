"""The configuration of an app's stack: what is accepted, and every message of what is not."""

from pathlib import Path
from typing import Any

import pytest

from components.app import settings as models
from components.app.validation import plaintext_secrets
from stacks import stackfile
from stacks.settings import AppStack, SettingsError
from tests.support.app_stacks import APPS
from tests.support.nonsense import check_reports_on_nonsense
from tests.support.settings_fixtures import INVALID_APPS, ROOT, expected_report

PROD = ROOT / "tests/settings/apps/shop-prod.yaml"
CONFIG, SECRETS = stackfile.read(PROD)


def report(config: dict[str, Any], secrets: set[str] = SECRETS) -> list[str]:
    """The report on a configuration, empty if it is accepted."""
    try:
        AppStack.parse(config, secrets, "shop-prod")
    except SettingsError as error:
        return str(error).splitlines()
    return []


def changed(place: str, value: Any) -> list[str]:
    """The report on the app that has everything, with another value at one place; None takes it out."""
    config: Any = {"app": dict(CONFIG["app"])}
    tree = config["app"]
    *parents, last = place.split(".")
    for key in parents:
        tree[key] = dict(tree[key]) if isinstance(tree.get(key), dict) else {}
        tree = tree[key]
    tree.pop(last, None)
    if value is not None:
        tree[last] = value
    return report(config)


@pytest.mark.parametrize("file", APPS, ids=lambda file: file.stem)
def test_valid_file_is_accepted_and_named_after_its_stack(file: Path) -> None:
    assert AppStack.read(file).app.name == stackfile.stack_name(file)


@pytest.mark.parametrize("file", INVALID_APPS, ids=lambda file: file.stem)
def test_invalid_file_gives_exactly_its_report(file: Path) -> None:
    assert expected_report(file), "the fixture states no message"
    with pytest.raises(SettingsError) as caught:
        AppStack.read(file)
    assert str(caught.value).splitlines() == expected_report(file)


@pytest.mark.parametrize(
    ("place", "value", "line"),
    [
        ("platform", "a/b", 'platform: is not a stack name; write the name of a stack of this project'),
        ("platform", None, "platform: is missing; add it: Pulumi stack of the platform"),
        ("name", "kube-system", "name: is reserved for namespaces of Kubernetes; use another name"),
        ("name", "default-deny", "name: is the name of a NetworkPolicy that every app has; use another name"),
        ("name", "1shop", "name: is not a valid app name; use at most 40"),
        ("image", "Shop:1", "image: is not an image name; write it as ghcr.io/owner/name:1.2.3"),
        ("image", "shop", "image: needs a digest, or a tag other than latest; end it with a tag such as :1.2.3"),
        ("image", "localhost:5000/shop:latest", "image: needs a digest, or a tag other than latest"),
        ("replicas", 2, "replicas: has no effect with autoscaling; remove it, or remove autoscaling"),
        ("autoscaling.max", 2, "autoscaling.max: is less than min, which is 3; use 3 or more"),
        ("autoscaling.cpu", 101, "autoscaling.cpu: is too large; use 100 or less"),
        ("hosts", ["shop", "shop"], "hosts: lists shop 2 times; keep one of them"),
        ("tls", {"certificate": False, "issuer": "x"}, "tls.issuer: has no effect while certificate is false; remove"),
        ("environment.API_KEY", "x", "environment.API_KEY: is also set in secrets; keep one of them"),
        ("environment.SIGNING_KEY", "x", "remoteSecrets.SIGNING_KEY: is also set in environment or secrets"),
        ("remoteSecrets.PGHOST", {"store": "a", "key": "b"}, "remoteSecrets.PGHOST: is already set by postgres;"),
        ("environment.PGHOST", "x", "environment.PGHOST: is already set by postgres; remove it, or use"),
        ("environment.HOMELAB_HOST", "x", "environment.HOMELAB_HOST: is already set by hosts; remove it, or use"),
        ("environment.OTEL_SERVICE_NAME", "x", "environment.OTEL_SERVICE_NAME: is already set by traces; remove it"),
        ("environment.A", 5, "environment.A: must be text, not a number; put it in quotes"),
        ("environment.A-B", "x", 'environment.A-B: is not an environment variable name; use letters'),
        ("secrets.API_KEY", "x", "secrets.API_KEY: must name a secret, not contain it; write {secret: NAME}"),
        ("secrets.OTHER", {"secret": "other"}, "secrets.OTHER.secret: names a secret that the stack does not have"),
        ("files./etc/shop/more", "x", 'files["/etc/shop/more/app.yaml"]: is below the file /etc/shop/more;'),
        ("files.etc", "x", "files.etc: is not an absolute path; start the path with /"),
        ("files./a b", "x", 'files["/a b"]: is not an absolute path'),
        ("files./data", "x", "volumes.data.path: uses a path that is already taken: /data; choose another path"),
        ("scratch", ["/tmp", "/tmp"], "scratch[1]: uses a path that is already taken: /tmp"),
        ("volumes.data.size", "5G", "volumes.data.size: is not a size in Mi, Gi or Ti; write it as 512Mi or 10Gi"),
        ("probes", {"liveness": {"period": 1}}, "probes.liveness: restarts a container that fails for 3 s; set"),
        ("cpu", "half", "cpu: is not a CPU quantity; write 250m"),
        ("user", -1, "user: is too small; use 0 or more"),
        ("allow.to", [{}], "allow.to[0]: needs exactly one of namespace and network; add one, or keep one of them"),
        ("allow.to", [{"namespace": "a", "network": "10.0.0.0/8"}], "allow.to[0]: needs exactly one of namespace and"),
        ("postgres.name", "database-two", "postgres.name: is not a host label of at most 9 characters; write"),
        ("postgres.name", "db", "postgres.restore.source: is the name under which this database stores its own backup"),
        ("postgres.backup.schedule", "0 3 * * *", "postgres.backup.schedule: does not have the 6 fields"),
        ("postgres.backup.schedule", "61 0 3 * * *", "postgres.backup.schedule: has an invalid second; use *, 0 to 59"),
        ("postgres.backup.retention", "1y", "postgres.backup.retention: is not a retention period; write it"),
        ("postgres.restore.time", "yesterday", "postgres.restore.time: is not a date and time; write it in quotes"),
        ("postgres.extensions", ["a", "a"], "postgres.extensions: lists a 2 times; keep one of them"),
        ("postgres.pooler.mode", "statement", "postgres.pooler.mode: is not one of the choices; use one of: session"),
        ("postgres.password", "x", "postgres.password: is not a known key"),
        ("imge", "x", "imge: is not a known key; did you mean image?"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(place: str, value: Any, line: str) -> None:
    found = changed(place, value)
    assert any(each.startswith(f"homelab:app.{line}") for each in found), found
    if "secret" not in place and place not in ("platform", "tls"):
        assert len(found) <= 2, found


def test_without_data_there_is_nothing_to_discard() -> None:
    app = {"platform": "lab", "image": "shop:1", "discard": True, "tls": {"issuer": "x"}}
    assert report({"app": app}, set()) == [
        "homelab:app.tls: has no effect without hosts; add hosts, or remove tls",
        "homelab:app.discard: has no effect: the app stores no data; remove it",
    ]


def test_all_invalid_fields_are_reported_before_all_conflicts() -> None:
    app = {"image": "shop", "hosts": ["a", "a"], "autoscaling": {"min": 5, "max": 1}, "postgres": {}}
    valid = {"platform": "lab", "image": "shop:1", "postgres": {"size": "1Gi"}}
    for settings, paths in (
        (app, ("platform", "image", "postgres.size")),
        (app | valid, ("autoscaling.max", "hosts")),
    ):
        found = [line.partition(": ")[0] for line in report({"app": settings}, set())]
        assert found == [f"homelab:app.{path}" for path in paths]


@pytest.mark.parametrize("file", APPS, ids=lambda file: file.stem)
def test_any_nonsense_anywhere_ends_in_a_report(file: Path) -> None:
    config, secrets = stackfile.read(file)
    check_reports_on_nonsense(config, lambda changed: report(changed, secrets))


def test_names_of_models_are_the_apps_own() -> None:
    """The schema of a stack file holds those of all its sections."""
    own = [name for name in vars(models) if name.endswith("Settings")]
    assert all(name.startswith(("App", "Postgres", "Pooler")) for name in own)


def test_files_are_no_larger_than_the_api_takes() -> None:
    assert report({"app": {"platform": "lab", "image": "shop:1", "files": {"/a": "x" * 1000 * 1024}}}, set()) == []
    assert report({"app": {"platform": "lab", "image": "shop:1", "files": {"/a": "ä" * 600 * 1024}}}, set()) == [
        "homelab:app.files: have 1200 KiB in total, but at most 1000 KiB fit into a ConfigMap; put large files into "
        "the image or a volume"
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("DB_PASSWORD", "hunter2", True),
        ("API_KEY", "x", True),
        ("apikey", "x", True),
        ("TOKENIZER", "x", False),
        ("PASSWORD_MIN_LENGTH", "8", False),
        ("DB_PASSWORD", "$(PGPASSWORD)", False),
        ("DB_PASSWORD", "/run/password", False),
        ("DB_PASSWORD", "", False),
    ],
)
def test_a_variable_that_looks_like_a_secret_is_known(name: str, text: str, said: bool) -> None:
    app = {"platform": "lab", "image": "shop:1", "environment": {name: text}, "postgres": {"size": "1Gi"}}
    assert plaintext_secrets(AppStack.parse({"app": app}, set(), "shop").app) == ([name] if said else [])


def test_a_name_that_the_stack_gave_is_said_to_be_its() -> None:
    assert report_of_stack("shop.dev") == [
        "homelab:app.name: is not a valid app name, and is derived from the stack's name; set a name here: "
        "use at most 40 lower-case letters, digits and dashes, start with a letter and do not end with a dash"
    ]
    assert report_of_stack("monitoring") == [
        "homelab:app.name: is the namespace of the layer monitoring, and is derived from the stack's name; "
        "set a name here: use another name"
    ]


def report_of_stack(stack: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        AppStack.parse({"app": {"platform": "lab", "image": "shop:1"}}, set(), stack)
    return str(caught.value).splitlines()
