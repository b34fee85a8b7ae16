"""CloudNativePG as it is built here: what its stand-in chart takes from the release, and which images it names."""

import io
import tarfile
from pathlib import Path

import pytest
import yaml

from components.kubernetes.chart import Chart
from rehearsal import charts
from rehearsal.artefacts import HOST
from rehearsal.charts import released
from rehearsal.programs import barman_cloud, cloudnative_pg, postgres
from rehearsal.programs.catalog import PROGRAMS
from tests.unit.rehearsal.test_charts import LAB

RELEASED = """kind: Namespace
metadata:
  name: cnpg-system
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  annotations:
    made: by hand
  name: clusters.postgresql.cnpg.io
---
kind: Service
metadata:
  name: cnpg-webhook-service
"""


def test_crds_of_the_release_survive_the_chart() -> None:
    parts = released.split(RELEASED)
    first, *text, last = parts["templates/crds.yaml"].strip().splitlines()
    assert (first, last) == ("{{- if .Values.crds.create }}", "{{- end }}")
    definition = yaml.safe_load("\n".join(text))
    assert definition["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep", "made": "by hand"}
    others = [each["kind"] for each in yaml.safe_load_all(parts["manifests.yaml"])]
    assert others == ["Namespace", "Service"]


def test_stand_in_takes_what_a_module_s_folder_has(tmp_path: Path) -> None:
    more = tmp_path / "module"
    more.mkdir()
    (more / "manifests.yaml").write_text("kind: Namespace\n")
    wanted = Chart("cloudnative-pg", "1.2.3", "https://charts.example.com")
    (packed,) = charts.lay_out(tmp_path, [wanted], LAB, charts.Sources(modules={wanted.name: more}))
    assert (packed.real, packed.origin) == (False, charts.STAND_IN_WITH_MODULE)
    archive = (tmp_path / "charts/cloudnative-pg-1.2.3.tgz").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        names = tar.getnames()
    assert {"cloudnative-pg/manifests.yaml", "cloudnative-pg/templates/cloudnative-pg.yaml"} <= set(names)


def test_operator_is_told_of_the_images_that_are_built_here(tmp_path: Path) -> None:
    values = yaml.safe_load((charts.STAND_INS / "cloudnative-pg/values.yaml").read_text())
    named = values["config"]["data"]
    postgres_image, pgbouncer = postgres.images(tmp_path)
    assert named["POSTGRES_IMAGE_NAME"] == postgres_image.name
    assert named["PGBOUNCER_IMAGE_NAME"] == pgbouncer.name
    values = yaml.safe_load((charts.STAND_INS / "plugin-barman-cloud/values.yaml").read_text())
    assert list(values["images"].values()) == [image.name for image in barman_cloud.images(tmp_path)]
    assert {cloudnative_pg.PROGRAM, postgres.PROGRAM, barman_cloud.PROGRAM} <= set(PROGRAMS)


def test_instances_find_the_operator_s_program_by_their_architecture(tmp_path: Path) -> None:
    (image,) = cloudnative_pg.images(tmp_path)
    assert set(image.files) == {"/manager", f"/operator/manager_{HOST}"}


def system(folder: Path) -> Path:
    """A few files as Debian's packages have them."""
    libraries = "usr/lib/postgresql/17/lib"
    clouds = "usr/lib/python3/dist-packages/botocore/data"
    for path in (
        "usr/lib/postgresql/17/bin/initdb", f"{libraries}/plpgsql.so", f"{libraries}/llvmjit.so",
        f"{libraries}/bitcode/postgres/x.bc", f"{clouds}/s3/service.json", f"{clouds}/ec2/service.json",
        f"{clouds}/endpoints.json", "usr/lib/python3.13/lib-dynload/_ssl.so", "usr/bin/barman-cloud-backup",
        "usr/share/ca-certificates/mozilla/one.crt", "etc/ssl/certs/README",
    ):  # fmt: skip
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("one\n")
    return folder


def test_images_have_no_compiler_and_speak_to_s3_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "run", lambda _: "")
    found = system(tmp_path)
    postgres._prepare(found)
    names = {path.name for path in found.rglob("*") if path.is_file()}
    assert not names & {"llvmjit.so", "x.bc"}
    clouds = found / "usr/lib/python3/dist-packages/botocore/data"
    assert {path.name for path in clouds.iterdir()} == {"s3", "endpoints.json"}
    assert (found / "etc/ssl/certs/ca-certificates.crt").read_text() == "one\n"


def test_images_have_what_their_programs_load(tmp_path: Path) -> None:
    found = postgres._root_filesystems(system(tmp_path))
    assert {f"{name}.tar" for name in found} == {"postgres.tar", "pgbouncer.tar", postgres.BARMAN}
    assert "usr/lib/postgresql/17/lib/plpgsql.so" in found["postgres"].programs
    assert {"usr/lib/python3.13/lib-dynload/_ssl.so", "usr/bin/barman-cloud-backup"} <= set(found["barman"].programs)
    assert found["pgbouncer"].links == {"usr/bin/pgbouncer": "../sbin/pgbouncer"}
