"""CloudNativePG as it is built here: what its stand-in chart takes from the release, and which images it names."""

import io
import tarfile
from pathlib import Path

import yaml

from components.layer import Chart
from rehearsal import charts
from rehearsal.artefacts import HOST
from rehearsal.charts import released
from rehearsal.programs import barman_cloud, cloudnative_pg, known, postgres
from tests.test_charts import LAB

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
    parts = released.parts(RELEASED)
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
    assert (packed.real, packed.origin) == (False, charts.FURNISHED)
    archive = (tmp_path / "charts/cloudnative-pg-1.2.3.tgz").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        names = tar.getnames()
    assert {"cloudnative-pg/manifests.yaml", "cloudnative-pg/templates/cloudnative-pg.yaml"} <= set(names)


def test_operator_is_told_of_the_images_that_are_built_here(tmp_path: Path) -> None:
    values = yaml.safe_load((charts.SOURCES / "cloudnative-pg/values.yaml").read_text())
    named = values["config"]["data"]
    postgres_image, pgbouncer = postgres.images(tmp_path)
    assert named["POSTGRES_IMAGE_NAME"] == postgres_image.name
    assert named["PGBOUNCER_IMAGE_NAME"] == pgbouncer.name
    values = yaml.safe_load((charts.SOURCES / "plugin-barman-cloud/values.yaml").read_text())
    assert list(values["images"].values()) == [image.name for image in barman_cloud.images(tmp_path)]
    assert {cloudnative_pg.PROGRAM, postgres.PROGRAM, barman_cloud.PROGRAM} <= set(known())


def test_instances_find_the_operator_s_program_by_their_architecture(tmp_path: Path) -> None:
    (image,) = cloudnative_pg.images(tmp_path)
    assert set(image.files) == {"/manager", f"/operator/manager_{HOST}"}
