"""MariaDB of an app: its objects, its clients, the app's environment variables, and the protection of its data."""

from typing import Any

import pulumi
import pytest

from stacks.catalog import MARIADB_IMAGE
from tests.support.app_stacks import OUTPUTS, created, objects, outputs_without, pod_spec, run_fixture
from tests.support.envelopes import texts
from tests.support.recorder import SECRET, Recording
from tests.unit.app.test_network import allowed

URL = "mysql://$(MARIADB_USER):$(MARIADB_PASSWORD)@$(MARIADB_HOST):$(MARIADB_PORT)/$(MARIADB_DATABASE)"


@pytest.fixture(scope="module")
def blog() -> Recording:
    return run_fixture("blog")


def server_pod(recording: Recording, name: str) -> Any:
    return objects(recording)[f"StatefulSet/{name}-mariadb"]["spec"]["template"]["spec"]


def test_options_follow_the_settings(blog: Recording) -> None:
    (container,) = server_pod(blog, "blog")["containers"]
    assert container["image"] == MARIADB_IMAGE
    assert container["args"][0] == "--no-defaults"
    assert {"--innodb-buffer-pool-size=256M", "--max-allowed-packet=64M", "--skip-name-resolve"} <= set(
        container["args"]
    )
    own = {"size": "1Gi", "image": "registry.lan/mariadb:11.8.1", "parameters": {"innodb_buffer_pool_size": "64M"}}
    changed = server_pod(run_fixture("shop-dev", mariadb=own), "shop-dev")
    images = {each["image"] for each in (*changed["initContainers"], *changed["containers"])}
    assert images == {"registry.lan/mariadb:11.8.1"}
    sizes = [each for each in changed["containers"][0]["args"] if "innodb-buffer-pool-size" in each]
    assert sizes == ["--innodb-buffer-pool-size=64M"]


def test_the_pod_meets_the_restricted_level(blog: Recording) -> None:
    pod = server_pod(blog, "blog")
    assert (pod["securityContext"]["runAsNonRoot"], pod["automountServiceAccountToken"]) == (True, False)
    for container in (*pod["initContainers"], *pod["containers"]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip


def test_the_password_is_only_in_a_secret(blog: Recording) -> None:
    content = objects(blog)["Secret/blog-mariadb"]["stringData"]
    password = content["password"]
    assert content["init.sql"] == (
        "CREATE DATABASE IF NOT EXISTS `blog_main`;\nCREATE USER IF NOT EXISTS `blog_main`@`%`;\n"
        f"ALTER USER `blog_main`@`%` IDENTIFIED BY '{password}';\n"
        "GRANT ALL PRIVILEGES ON `blog\\_main`.* TO `blog_main`@`%`;\n"
    )
    (made,) = (each for each in blog.registered if each.type == SECRET)
    assert made.secret_outputs == {"value"}
    for each in blog.registered:
        assert not [text for text, hidden in texts(each.inputs) if password in text and not hidden], each.urn


def test_variables_of_all_pods(blog: Recording) -> None:
    variables = pod_spec(blog, "blog")["containers"][0]["env"]
    found = {each["name"]: each.get("value") for each in variables}
    assert (found["MARIADB_HOST"], found["MARIADB_PORT"], found["MARIADB_URL"]) == ("blog-mariadb", "3306", URL)
    assert found["MARIADB_DATABASE"] == found["MARIADB_USER"] == "blog_main"
    assert list(found).index("MARIADB_URL") < list(found).index("DATABASE_URL")
    (queue,) = objects(blog)["Deployment/blog-queue"]["spec"]["template"]["spec"]["containers"]
    assert "MARIADB_URL" in [each["name"] for each in queue["env"]]


def test_only_the_apps_own_pods_may_connect(blog: Recording) -> None:
    found = objects(blog)
    assert allowed(found["NetworkPolicy/blog-mariadb"]) == [
        "from blog 3306", "from blog-job 3306", "from blog-worker 3306", "from blog-backup 3306",
    ]  # fmt: skip
    for name in ("blog", "blog-job", "blog-worker", "blog-backup"):
        assert "to blog-mariadb 3306" in allowed(found[f"NetworkPolicy/{name}"])


def test_the_app_starts_after_mariadb(blog: Recording) -> None:
    (app,) = (each for each in created(blog) if (each.plain["kind"], each.name) == ("StatefulSet", "blog"))
    assert "blog-mariadb" in [each.name for each in blog.dependencies(app) if each.type.endswith(":StatefulSet")]


def test_data_is_protected_until_it_is_discarded() -> None:
    def protected(recording: Recording) -> set[str]:
        return {f"{each.plain['kind']}/{each.name}" for each in created(recording) if each.protected}

    server = {"size": "1Gi"}
    assert protected(run_fixture("shop-dev", mariadb=server)) == {
        "Namespace/shop-dev", "PersistentVolumeClaim/shop-dev-mariadb",
    }  # fmt: skip
    assert protected(run_fixture("shop-dev", mariadb=server, discard=True)) == set()


@pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")
@pytest.mark.parametrize(
    ("more", "outputs", "line"),
    [
        ({}, outputs_without("storageClass"), r"mariadb: needs homelab:platform\.longhorn, which"),
        ({"storageClass": "fast"}, OUTPUTS, r"mariadb\.storageClass: names fast, which is not among"),
    ],
)
def test_a_volume_needs_a_storage_class(more: Any, outputs: Any, line: str) -> None:
    with pytest.raises(pulumi.RunError, match=line):
        run_fixture("shop-dev", mariadb={"size": "1Gi", **more}, outputs=outputs)
