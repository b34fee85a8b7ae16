"""The objects of an app, as the API gets them."""

from pathlib import Path
from typing import Any

import pytest

from stacks.settings import AppStack
from tests.support.app_stacks import APPS, OUTPUTS, SAMPLE_APP, created, objects, pod_spec, run_app, run_fixture
from tests.support.recorder import Recording


@pytest.fixture(scope="module")
def prod() -> Recording:
    return run_fixture("shop-prod")


def test_what_pods_read_gets_a_new_name_with_new_content(prod: Recording) -> None:
    for key, each in objects(prod).items():
        if key.startswith(("ConfigMap/", "Secret/")) and "-dashboard-" not in key:
            assert "name" not in each["metadata"], key
            assert each["immutable"] is True
    container = pod_spec(prod, "shop-prod")["containers"][0]
    variables = {each["name"]: each for each in container["env"]}
    assert variables["API_KEY"]["valueFrom"]["secretKeyRef"] == {"name": "shop-prod-secrets-1a2b3c4d", "key": "API_KEY"}
    (volume,) = (each for each in pod_spec(prod, "shop-prod")["volumes"] if each["name"] == "files")
    assert volume["configMap"] == {"name": "shop-prod-files-1a2b3c4d"}
    keys = {each["subPath"]: each["mountPath"] for each in container["volumeMounts"] if each["name"] == "files"}
    assert keys.keys() == objects(prod)["ConfigMap/shop-prod-files"]["data"].keys()
    assert sorted(keys.values()) == ["/etc/shop/app.yaml", "/etc/shop/more/app.yaml"]


def test_secrets_kept_elsewhere_get_a_new_name_with_other_keys(prod: Recording) -> None:
    def brought(recording: Recording) -> Any:
        (found,) = (each for key, each in objects(recording).items() if key.startswith("ExternalSecret/"))
        (variable,) = (
            each for each in pod_spec(recording, "shop-prod")["containers"][0]["env"] if each["name"] == "SIGN"
        )
        assert variable["valueFrom"]["secretKeyRef"] == {"name": found["spec"]["target"]["name"], "key": "SIGN"}
        return found

    before, after = (
        brought(run_fixture("shop-prod", remoteSecrets={"SIGN": {"store": "vault", "key": key}}))
        for key in ("old", "new")
    )
    assert before["metadata"]["name"] != after["metadata"]["name"] == after["spec"]["target"]["name"]
    assert after["metadata"]["annotations"] == {"pulumi.com/waitFor": "condition=Ready"}
    assert after["spec"]["data"] == [
        {
            "secretKey": "SIGN",
            "remoteRef": {"key": "new"},
            "sourceRef": {"storeRef": {"kind": "ClusterSecretStore", "name": "vault"}},
        }
    ]


def test_variables_come_after_those_that_they_may_name(prod: Recording) -> None:
    names = [each["name"] for each in pod_spec(prod, "shop-prod")["containers"][0]["env"]]
    assert names == [
        "PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "DATABASE_URL", "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_SERVICE_NAME", "API_KEY", "PAYMENTS_KEY", "SIGNING_KEY", "GREETING",
        "SPRING_URL",
    ]  # fmt: skip
    values = {each["name"]: each.get("value") for each in pod_spec(prod, "shop-prod")["containers"][0]["env"]}
    assert values["PGHOST"] == "shop-prod-db-2-pooler"
    assert values["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://tempo.tempo.svc:4318"
    assert pod_spec(run_app(SAMPLE_APP), "shop")["containers"][0]["env"][0]["value"] == "shop-db-rw"


@pytest.mark.parametrize(
    "file", [each for each in APPS if each.stem not in ("home", "hub", "render")], ids=lambda file: file.stem
)
def test_pods_keep_the_restricted_rules(file: Path) -> None:
    found = pod_spec(run_app(file), AppStack.read(file).app.name)
    security, container = found["securityContext"], found["containers"][0]["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] > 0
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert found["automountServiceAccountToken"] is (AppStack.read(file).app.service_account is not None)


def test_numbers_of_pods(prod: Recording) -> None:
    sample, small = objects(run_app(SAMPLE_APP)), objects(run_fixture("shop-dev"))
    assert sample["Deployment/shop"]["spec"]["replicas"] == 3
    assert sample["PodDisruptionBudget/shop"]["spec"]["maxUnavailable"] == 1
    assert not [key for key in small if key.startswith("PodDisruptionBudget")], "it would block every drain"
    scaler = objects(prod)["HorizontalPodAutoscaler/shop-prod"]["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 6)
    assert scaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "shop-prod"}


def test_an_autoscaler_takes_over_the_number_that_is_there() -> None:
    kinds: tuple[dict[str, Any], ...] = ({}, {"strategy": {"canary": {"steps": [{"weight": 25}]}}})
    for kind in kinds:
        for number, scaled in ((3, {}), (4, {"autoscaling": {"min": 4, "max": 6}})):
            found = run_app(SAMPLE_APP, **{**kind, **scaled})
            (pods,) = (each for each in created(found) if each.plain["kind"] in ("Deployment", "Rollout"))
            assert pods.plain["spec"]["replicas"] == number, "without it the API would make it 1"
            assert ("spec.replicas" in pods.ignored) == bool(scaled), "each `up` would undo the autoscaler"
            noted = pods.plain["metadata"]["annotations"]
            assert ("homelab/scaled" in noted) == bool(scaled), "without a change the last number would stay"


def test_probes(prod: Recording) -> None:
    container = pod_spec(prod, "shop-prod")["containers"][0]
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": 9797}
    assert container["livenessProbe"] == {
        "httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 10, "failureThreshold": 3,
    }  # fmt: skip
    assert container["startupProbe"]["tcpSocket"] == {"port": "http"}
    plain = pod_spec(run_fixture("shop-dev"), "shop-dev")["containers"][0]
    assert plain["readinessProbe"]["tcpSocket"] == {"port": "http"}
    assert not {"livenessProbe", "startupProbe"} & plain.keys()


def test_volumes(prod: Recording) -> None:
    found = objects(prod)
    (template,) = found["StatefulSet/shop-prod"]["spec"]["volumeClaimTemplates"]
    assert template == {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "longhorn",
            "resources": {"requests": {"storage": "5Gi"}},
        },
    }  # fmt: skip
    assert found["PersistentVolumeClaim/shop-prod-media"]["spec"]["accessModes"] == ["ReadWriteMany"]
    mounts = {each["mountPath"]: each["name"] for each in pod_spec(prod, "shop-prod")["containers"][0]["volumeMounts"]}
    assert (mounts["/data"], mounts["/media"], mounts["/var/cache"]) == ("data", "media", "scratch-1")


def test_ingress() -> None:
    ingress = objects(run_fixture("shop-staging"))["Ingress/shop-staging"]
    assert ingress["metadata"]["annotations"] == {"cert-manager.io/cluster-issuer": "own-ca"}
    assert ingress["spec"]["ingressClassName"] == "traefik"
    assert ingress["spec"]["tls"] == [{"hosts": ["shop-staging.lab.example.com"], "secretName": "shop-staging-tls"}]
    bare = objects(run_fixture("shop-staging", tls={"certificate": False}))
    assert "tls" not in bare["Ingress/shop-staging"]["spec"]
    assert "NetworkPolicy/shop-staging-acme" not in bare


def test_database(prod: Recording) -> None:
    one, three = objects(run_fixture("shop-staging")), objects(run_app(SAMPLE_APP))
    spec = three["Cluster/shop-db"]["spec"]
    assert (spec["instances"], spec["enablePDB"]) == (3, True)
    assert spec["storage"] == {"size": "2Gi", "storageClass": "longhorn-single"}
    assert spec["bootstrap"] == {"initdb": {"database": "app", "owner": "app"}}
    assert three["Cluster/shop-db"]["metadata"]["annotations"] == {"pulumi.com/waitFor": "condition=Ready"}
    assert one["Cluster/shop-staging-db"]["spec"]["enablePDB"] is False, "it would block every drain"
    assert "synchronous" not in one["Cluster/shop-staging-db"]["spec"]["postgresql"]
    (resource,) = (each for each in created(prod) if each.plain["kind"] == "Cluster")
    assert resource.ignored == {"spec.bootstrap"}, "a database that exists is not made again"


def test_pooler_finds_a_new_primary(prod: Recording) -> None:
    pgbouncer = objects(prod)["Pooler/shop-prod-db-2-pooler"]["spec"]["pgbouncer"]
    assert pgbouncer["parameters"] == {
        "server_login_retry": "1", "tcp_keepidle": "10", "tcp_keepintvl": "5", "tcp_user_timeout": "10000",
    }  # fmt: skip


def test_backup_and_restore(prod: Recording) -> None:
    found, staging = objects(prod), objects(run_fixture("shop-staging"))
    cluster = found["Cluster/shop-prod-db-2"]["spec"]
    own = {"barmanObjectName": "shop-prod-db-2", "serverName": "shop-prod-db-2"}
    plugin = "barman-cloud.cloudnative-pg.io"
    assert cluster["postgresql"]["shared_preload_libraries"] == ["auto_explain"]
    assert cluster["plugins"] == [{"name": plugin, "isWALArchiver": True, "parameters": own}]
    (origin,) = cluster["externalClusters"]
    assert origin["plugin"] == {"name": plugin, "parameters": own | {"serverName": "shop-prod-db"}}
    recovery = {"source": origin["name"], "database": "shop", "owner": "shop"}
    assert cluster["bootstrap"] == {"recovery": recovery | {"recoveryTarget": {"targetTime": "2026-08-01T12:00:00Z"}}}
    assert found["ScheduledBackup/shop-prod-db-2"]["spec"]["schedule"] == "0 30 3 * * *"
    assert found["ObjectStore/shop-prod-db-2"]["spec"]["retentionPolicy"] == "14d"
    assert "retentionPolicy" not in staging["ObjectStore/shop-staging-db"]["spec"], "what it only reads it keeps"
    assert "plugins" not in staging["Cluster/shop-staging-db"]["spec"]


def test_volumes_of_each_pod_stay_what_they_are_and_a_warning_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (pods,) = (each for each in created(run_fixture("shop-prod")) if each.plain["kind"] == "StatefulSet")
    assert pods.ignored == {"spec.replicas", "spec.volumeClaimTemplates"}
    assert not caplog.messages

    def there(_: Recording, request: Any) -> dict[str, Any]:
        """The engine answers with what is in the cluster."""
        if not request.type.endswith(":StatefulSet"):
            return {}
        size = {"requests": {"storage": "1Gi"}}
        spec = {"storageClassName": "nfs", "accessModes": ["ReadWriteOnce"], "resources": size}
        return {
            "spec": {"volumeClaimTemplates": [{"metadata": {"name": name}, "spec": spec} for name in ("data", "a")]}
        }

    volumes = {"data": {"path": "/data", "size": "5Gi"}}
    monkeypatch.setattr(Recording, "_made", there)
    run_fixture("shop-dev", volumes=volumes, outputs=OUTPUTS | {"storageClasses": ["nfs"]})
    found = [each.partition("; ")[0] for each in caplog.messages]
    assert found == [
        "homelab:app.volumes.data: still has 1Gi, StorageClass nfs, ReadWriteOnce in the existing StatefulSet",
        "homelab:app.volumes.a: is not in the stack file, but in the existing StatefulSet",
    ]


def test_arguments_may_be_scripts_or_empty() -> None:
    arguments = ["-c", "set -e\nserve\n", ""]
    (container,) = pod_spec(run_app(SAMPLE_APP, command=["/bin/sh"], args=arguments), "shop")["containers"]
    assert (container["command"], container["args"]) == (["/bin/sh"], arguments)


def test_a_variable_may_have_the_name_of_the_apps_first_host() -> None:
    given = {"URL": "https://$(HOMELAB_HOST)/a"}
    (container,) = pod_spec(run_app(SAMPLE_APP, hosts=["shop", "b.example.com"], environment=given), "shop")[
        "containers"
    ]
    names = [each["name"] for each in container["env"]]
    assert names[-2:] == ["HOMELAB_HOST", "URL"], "Kubernetes expands only references to earlier variables"
    assert container["env"][-2]["value"] == "shop.lab.example.com"
    (plain,) = pod_spec(run_app(SAMPLE_APP), "shop")["containers"]
    assert "HOMELAB_HOST" not in [each["name"] for each in plain["env"]], "or it would change the pods of every app"


def test_probes_with_headers_and_https() -> None:
    probe = pod_spec(run_fixture("cache"), "cache")["containers"][0]["readinessProbe"]
    assert probe["httpGet"] == {
        "path": "/ready", "port": "http", "scheme": "HTTPS",
        "httpHeaders": [{"name": "Host", "value": "cache.example.com"}, {"name": "X-Probe", "value": "1"}],
    }  # fmt: skip


def test_remote_secrets_become_files() -> None:
    recording = run_fixture("cache")
    external = objects(recording)["ExternalSecret/cache-remote"]
    key = external["spec"]["data"][1]["secretKey"]
    assert external["spec"]["data"][1]["remoteRef"] == {"key": "tls", "property": "key"}
    pod = pod_spec(recording, "cache")
    (volume,) = (each["secret"] for each in pod["volumes"] if each["name"] == "remote-secret-files")
    assert volume["secretName"] == external["spec"]["target"]["name"]
    assert volume["items"] == [{"key": key, "path": key}]
    mount = {"name": "remote-secret-files", "mountPath": "/etc/cache/key.pem", "subPath": key, "readOnly": True}
    assert mount in pod["containers"][0]["volumeMounts"]
    other = run_fixture("cache", remoteSecretFiles={"/etc/cache/key.pem": {"store": "vault", "key": "other"}})
    changed = objects(other)["ExternalSecret/cache-remote"]["metadata"]["name"]
    assert changed != external["metadata"]["name"], "the pods restart"


def test_the_apps_host_is_inserted_into_files() -> None:
    content = objects(run_fixture("cache"))["ConfigMap/cache-files"]["data"]
    assert sorted(content.values()) == [
        "a: $(PGHOST)\n",
        "url: https://cache.lab.example.com/\nliteral: $(HOMELAB_HOST)\n",
    ]
