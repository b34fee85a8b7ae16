"""CRDs of charts: fetched whole, verified, checked; every way that fails says what and where."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable

import pytest
import yaml

from provider.charts import contents
from provider.charts import repository as of_charts
from provider.charts.contents import crds
from provider.errors import TaskError
from provider.model import Chart
from tests.support.chart_repository import CHART_FILES, Repository, crd, pack_chart


def test_crds_are_those_of_the_chart_and_its_sub_charts(repository: Repository) -> None:
    nothing = "# nothing\n---\n"
    more = {
        "web/crds/deep/b.yml": nothing + crd("bs.lab") + "---\n" + crd("cs.lab"),
        "web/charts/sub/crds/d.json": '{"kind": "CustomResourceDefinition", "metadata": {"name": "ds.lab"}}',
        "web/charts/sub/charts/low/crds/e.yaml": crd("es.lab"),
        "web/crds/README.md": "not YAML: [",
        "web/templates/crds/f.yaml": "{{ template }}",
        "other/crds/g.yaml": crd("gs.lab"),
    }
    repository.publish(pack_chart(CHART_FILES | more))
    assert repository.crds() == ["as.lab", "bs.lab", "cs.lab", "ds.lab", "es.lab"]


@pytest.mark.parametrize("loader", ["CBaseLoader", "BaseLoader"])
def test_text_that_yaml_would_take_for_something_else(
    repository: Repository, loader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`=` in the CRDs of Prometheus, and versions that look like numbers: 1.10 is not 1.1."""
    for module in (contents, of_charts):
        monkeypatch.setattr(module, "StringLoader", getattr(yaml, loader))
    repository.publish(pack_chart(CHART_FILES | {"web/crds/b.yaml": crd("bs.lab") + "enum: [=, on]\n"}))
    text = crds(Chart(name="web", version="1.10", repository=repository.url))
    assert "enum: [=, on]" in text


@pytest.mark.parametrize("place", ["{url}/web-1.10.tgz", "web-1.10.tgz", "./web-1.10.tgz", "/web-1.10.tgz"])
def test_archive_is_where_the_index_says(repository: Repository, place: str) -> None:
    repository.publish(pack_chart(CHART_FILES), urls=[place.format(url=repository.url)])
    assert repository.crds() == ["as.lab"]


@pytest.mark.parametrize(
    "write", [yaml.safe_dump, json.dumps, lambda given: yaml.safe_dump(given, default_flow_style=True)]
)
def test_index_is_read_however_it_is_written(repository: Repository, write: Callable[[object], str]) -> None:
    release = {"urls": ["web-1.10.tgz"], "digest": "", "description": "a\n\n    version: 1.10\n"}
    wrong = release | {"urls": ["other.tgz"]}
    web = [wrong | {"version": "1.11"}, release | {"version": "1.10"}, wrong | {"version": "1.1"}]
    other = [wrong | {"version": "1.10"}]
    (repository.root / "index.yaml").write_text(write({"entries": {"a-web": other, "web": web, "web-a": other}}))
    assert repository.crds() == ["as.lab"]


def test_large_index_is_not_read_as_a_whole(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.publish(pack_chart(CHART_FILES), "1.10")
    monkeypatch.setattr(of_charts, "_loaded", lambda *_: pytest.fail("it takes seconds"))
    assert repository.crds() == ["as.lab"]


def test_index_need_not_have_digests(repository: Repository) -> None:
    repository.publish(pack_chart(CHART_FILES), digest=None)
    assert repository.crds() == ["as.lab"]


def test_wrong_digest(repository: Repository) -> None:
    repository.publish(pack_chart(CHART_FILES), digest="0" * 64)
    assert (
        f"{repository.url}/web-1.10.tgz does not have the checksum in the repository's index; homelab did not use it."
        in repository.failure()
    )


def test_missing_version_names_the_nearest(repository: Repository) -> None:
    repository.publish(pack_chart(CHART_FILES), "1.9.0", "1.10.0", "1.10.1", "22.0.0")
    failure = repository.failure("1.10.2")
    assert f"{repository.url}/index.yaml has no version 1.10.2 of web; the index has 1.10.1, 1.10.0" in failure


def test_missing_chart_names_the_nearest(repository: Repository) -> None:
    assert repository.failure(name="webb") == f"{repository.url}/index.yaml has no chart webb; the index has web."


@pytest.mark.parametrize("index", ["text", [], {}, {"entries": []}, {"entries": {"web": {}}}, {"entries": None}])
def test_index_that_is_none(repository: Repository, index: object) -> None:
    repository.index(index)
    assert f"{repository.url}/index.yaml" in repository.failure()


@pytest.mark.parametrize("urls", [None, [], "web.tgz"])
def test_release_without_a_file(repository: Repository, urls: object) -> None:
    repository.publish(pack_chart(CHART_FILES), urls=urls)
    assert "has no URL for the archive of web 1.10" in repository.failure()


def test_index_that_is_no_yaml(repository: Repository) -> None:
    (repository.root / "index.yaml").write_text("<html>: [")
    assert "must be the index of a Helm repository, but is not YAML: " in repository.failure()


def test_missing_files_say_their_address_and_status(repository: Repository) -> None:
    (repository.root / "web-1.10.tgz").unlink()
    assert f"{repository.url}/web-1.10.tgz answers 404 Not Found: check that" in repository.failure()
    (repository.root / "index.yaml").unlink()
    assert f"{repository.url}/index.yaml answers 404 Not Found: check that" in repository.failure()


def test_unreachable_repository() -> None:
    failure = Repository.failure(at("http://127.0.0.1:1/charts"))
    assert "http://127.0.0.1:1/charts/index.yaml could not be fetched ([Errno 111] Connection refused)" in failure


@pytest.mark.parametrize("address", ["file:///etc", "ftp://127.0.0.1/charts"])
def test_other_schemes_are_refused(address: str) -> None:
    assert "only https://, http:// and oci:// are supported" in Repository.failure(at(address))


def test_archive_of_another_scheme_is_refused(repository: Repository) -> None:
    repository.publish(pack_chart(CHART_FILES), urls=["file:///etc/passwd"])
    assert "file:///etc/passwd could not be fetched (unknown url type: file)" in repository.failure()


def at(address: str) -> Repository:
    found = Repository.__new__(Repository)
    found.url = address
    return found


@pytest.mark.parametrize("name", ["../evil.yaml", "/etc/evil.yaml", "web/crds/../../../evil.yaml"])
def test_path_that_leaves_the_archive(repository: Repository, name: str) -> None:
    repository.publish(pack_chart(CHART_FILES | {name: crd("evil.lab")}))
    assert (
        f"contains the path {name}, which leads out of the archive; homelab did not use the chart."
        in repository.failure()
    )


def test_link_among_the_crds(repository: Repository) -> None:
    repository.publish(pack_chart(CHART_FILES, link="web/crds/b.yaml"))
    assert (
        "contains web/crds/b.yaml, which is not a regular file; homelab did not use the chart." in repository.failure()
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: Pod", "contains a Pod, but may contain only CRDs; homelab applied no CRDs."),
        (crd("a.lab") + "---\nkind: Job\n", "contains a Job, but may contain only CRDs"),
        ("[1]", "contains a document, but may contain only CRDs"),
        ("a: {", "is not YAML: while parsing"),
    ],
)
def test_document_that_is_no_crd(repository: Repository, text: str, said: str) -> None:
    repository.publish(pack_chart(CHART_FILES | {"web/crds/b.yaml": text}))
    assert f"{repository.url}/web-1.10.tgz: web/crds/b.yaml {said}" in repository.failure()


TEMPLATE = """{{- if .Values.groups.as }}
kind: CustomResourceDefinition
metadata:
  labels:
    {{- include "labels" . | nindent 4 }}
  annotations:
    {{- with .Values.annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    made: by a generator
  name: as.lab
{{- end }}
"""


@pytest.mark.parametrize(
    "name",
    ["web/charts/crds/templates/lab/as.yaml", "web/charts/api/templates/crds/as.yaml", "web/templates/crds/as.yaml"],
)
def test_crds_among_the_templates(repository: Repository, name: str) -> None:
    more = {"web/Chart.yaml": "name: web", "web/templates/pod.yaml": "kind: Pod", "web/values.yaml": "a: 1"}
    repository.publish(pack_chart(more | {name: TEMPLATE}))
    assert repository.crds() == ["as.lab"]


def test_chart_that_is_nothing_but_crds(repository: Repository) -> None:
    repository.publish(pack_chart({"web/Chart.yaml": "name: web", "web/templates/as.yaml": crd("as.lab")}))
    assert repository.crds() == ["as.lab"]


def test_template_that_only_helm_can_read(repository: Repository) -> None:
    text = TEMPLATE.replace("as.lab", "{{ .Values.name }}")
    repository.publish(pack_chart({"web/templates/crds/as.yaml": text}))
    assert "web/templates/crds/as.yaml has a template directive within a line" in repository.failure()


def test_chart_without_crds(repository: Repository) -> None:
    repository.publish(pack_chart({"web/Chart.yaml": "name: web"}))
    assert "web-1.10.tgz contains no CRDs." in repository.failure()


@pytest.mark.parametrize(
    "archive",
    [b"", b"no gzip", pack_chart(CHART_FILES)[:200], gzip.compress(b"no tar" * 200)],
    ids=["nothing", "no gzip", "half", "no tar"],
)
def test_archive_that_is_none(repository: Repository, archive: bytes) -> None:
    repository.publish(archive)
    assert "web-1.10.tgz is not a chart archive" in repository.failure()


def test_huge_files(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.publish(pack_chart(CHART_FILES | {"web/zeros": "0" * (9 << 20)}))
    monkeypatch.setattr(contents, "MAX_CONTENT_BYTES", 8 << 20)
    assert "web-1.10.tgz unpacks to more than 8 MiB; homelab did not use the chart." in repository.failure()
    repository.publish(pack_chart(CHART_FILES) + b"x" * (2 << 20))
    monkeypatch.setattr(of_charts, "MAX_ARCHIVE_BYTES", 1 << 20)
    assert "web-1.10.tgz is larger than 1 MiB, so homelab stopped the download." in repository.failure()
    (repository.root / "index.yaml").write_text("#" * (2 << 20))
    monkeypatch.setattr(of_charts, "MAX_INDEX_BYTES", 1 << 20)
    assert "index.yaml is larger than 1 MiB, so homelab stopped the download." in repository.failure()


def sparse(name: str, size: int) -> bytes:
    """A chart's archive with a file that is larger than all that is in it."""
    content, hole = io.BytesIO(), f"1\n{size}\n0\n".encode().ljust(tarfile.BLOCKSIZE, b"\0")
    headers = {"major": "1", "minor": "0", "name": name, "realsize": str(size)}
    member = tarfile.TarInfo(name)
    member.size, member.pax_headers = len(hole), {f"GNU.sparse.{key}": value for key, value in headers.items()}
    with tarfile.open(fileobj=content, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(member, io.BytesIO(hole))
    return content.getvalue()


def test_file_of_holes_does_not_fill_the_memory(repository: Repository) -> None:
    repository.publish(sparse("web/crds/b.yaml", 256 << 20))
    assert (
        "contains web/crds/b.yaml, which is not a regular file; homelab did not use the chart." in repository.failure()
    )


@pytest.mark.parametrize(("of_index", "pin", "refused"), [("", "", True), ("digest", "", False), ("", "pin", False)])
def test_index_over_tls_leads_out_of_it_only_where_a_sum_is_known(
    of_index: str, pin: str, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = pack_chart(CHART_FILES)
    known = hashlib.sha256(archive).hexdigest()
    release = {"version": "1.10", "urls": ["http://cdn.lan/web.tgz"], "digest": known if of_index else ""}
    index = yaml.safe_dump({"entries": {"web": [release]}}).encode()
    monkeypatch.setattr(of_charts, "download", lambda url, _: index if url.startswith("https") else archive)
    chart = Chart(name="web", version="1.10", repository="https://charts.lan", sha256=known if pin else "")
    if refused:
        with pytest.raises(TaskError, match=r"the http URL http://cdn\.lan/web\.tgz, and contains no checksum"):
            of_charts.fetch(chart)
    else:
        assert of_charts.fetch(chart) == ("http://cdn.lan/web.tgz", archive)
