"""Additional databases and roles of an app, and its superuser."""

from typing import Any

from tests.support.app_stacks import created, objects, pod_spec, run_fixture
from tests.support.recorder import SECRET
from tests.unit.app.test_network import allowed


def test_each_database_has_an_object_that_keeps_its_data() -> None:
    found = objects(run_fixture("cache"))
    specs = {key: each["spec"] for key, each in found.items() if key.startswith("Database/")}
    cluster = {"cluster": {"name": "cache-db"}}
    assert specs == {
        "Database/cache-db-reports": cluster
        | {"name": "reports", "owner": "reports", "extensions": [{"name": "pg_trgm"}]},
        "Database/cache-db-log-data": cluster | {"name": "log_data", "owner": "app"},
    }
    waits = {each["metadata"]["annotations"]["pulumi.com/waitFor"] for key, each in found.items() if key in specs}
    assert waits == {"jsonpath={.status.applied}=true"}


def test_roles_have_generated_passwords() -> None:
    recording = run_fixture("cache")
    found = objects(recording)
    secret = found["Secret/cache-db-role-reports"]
    assert secret["type"] == "kubernetes.io/basic-auth"
    assert secret["stringData"]["username"] == "reports"
    name = "cache-db-role-reports-1a2b3c4d"
    assert found["Cluster/cache-db"]["spec"]["managed"] == {
        "roles": [
            {
                "name": "reports", "login": True, "passwordSecret": {"name": name},
                "inRoles": ["pg_read_all_data"], "createdb": True,
            }
        ]
    }  # fmt: skip
    variables = pod_spec(recording, "cache")["containers"][0]["env"]
    reference = {"secretKeyRef": {"name": name, "key": "password"}}
    assert {"name": "PGPASSWORD_REPORTS", "valueFrom": reference} in variables
    (made,) = (each for each in recording.registered if each.type == SECRET and "role" in each.name)
    assert made.secret_outputs == {"value"}
    (resource,) = (each for each in created(recording) if each.name == "cache-db-role-reports")
    assert resource.secret_outputs == {"data", "stringData"}


def test_superuser_needs_enable_superuser_access() -> None:
    def seen(**postgres: Any) -> tuple[bool, set[str]]:
        recording = run_fixture("shop-dev", postgres={"size": "1Gi", **postgres})
        spec = objects(recording)["Cluster/shop-dev-db"]["spec"]
        variables = {each["name"]: each for each in pod_spec(recording, "shop-dev")["containers"][0]["env"]}
        secrets = {name for name in variables if "superuser" in str(variables[name])}
        return spec.get("enableSuperuserAccess", False), secrets

    assert seen() == (False, set())
    assert seen(enableSuperuserAccess=True) == (True, {"PGSUPERUSER", "PGSUPERPASSWORD"})


def test_additional_databases_allow_no_additional_connections() -> None:
    plain, more = (
        objects(run_fixture("shop-dev", postgres={"size": "1Gi", **postgres}))
        for postgres in ({}, {"databases": {"a": {}}, "roles": {"b": {}}, "enableSuperuserAccess": True})
    )
    for name in ("shop-dev", "shop-dev-db"):
        assert allowed(plain[f"NetworkPolicy/{name}"]) == allowed(more[f"NetworkPolicy/{name}"])
    assert "managed" not in plain["Cluster/shop-dev-db"]["spec"]
