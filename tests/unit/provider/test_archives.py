"""Charts' archives: fetched once, verified whenever they are used, and kept for Helm in the project's folder."""

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from provider.charts import archives
from provider.charts.archives import cache, cached_path, read_or_fetch
from provider.errors import TaskError
from provider.model import Chart
from tests.support.chart_repository import CHART_FILES, Repository, pack_chart
from tests.support.plugin_client import CHART, from_struct, running_plugin
from tests.support.plugin_fixtures import run_scenario

GOOD, EVIL = pack_chart(CHART_FILES), pack_chart(CHART_FILES | {"web/templates/evil.yaml": "kind: ClusterRoleBinding"})


def sha256(archive: bytes) -> str:
    return hashlib.sha256(archive).hexdigest()


@pytest.fixture(autouse=True)
def project(tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that Pulumi starts its plugins in."""
    repository.publish(GOOD)
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def chart(where: Repository, archive: bytes | None = GOOD, **changes: Any) -> Chart:
    pin = sha256(archive) if archive else ""
    return Chart(**{"name": "web", "version": "1.10", "repository": where.url, "sha256": pin} | changes)


def failure(chart: Chart) -> str:
    with pytest.raises(TaskError) as caught:
        cache(chart)
    return str(caught.value)


def test_pinned_chart_is_kept_where_every_computer_has_it(repository: Repository, project: Path) -> None:
    pinned = chart(repository)
    assert cache(pinned) == pinned
    assert cached_path(pinned) == f"./.charts/web-1.10-{sha256(GOOD)}.tgz"
    assert (project / cached_path(pinned)).read_bytes() == GOOD
    assert [file.name for file in (project / ".charts").iterdir()] == [Path(cached_path(pinned)).name]


def test_changed_chart_of_the_same_version_is_refused_with_both_sums(repository: Repository, project: Path) -> None:
    repository.publish(EVIL)  # its index says so too: who controls the repository writes both
    said = failure(chart(repository))
    assert f"{repository.url}/web-1.10.tgz does not have the pinned checksum; homelab did not use it." in said
    assert f"pinned sha256 {sha256(GOOD)}\nfound  sha256 {sha256(EVIL)}\n" in said
    assert "./homelab pin" in said
    assert not (project / ".charts").exists()


def test_pin_counts_more_than_an_index_that_is_not_up_to_date(repository: Repository) -> None:
    repository.publish(GOOD, digest="0" * 64)
    cache(chart(repository))
    assert "does not have the checksum in the repository's index" in failure(chart(repository, None))


def test_kept_chart_is_not_fetched_again(repository: Repository) -> None:
    pinned = cache(chart(repository))
    shutil.rmtree(repository.root)
    assert cache(pinned) == pinned
    assert read_or_fetch(pinned) == (cached_path(pinned), GOOD)


def test_file_that_was_changed_here_is_fetched_anew(repository: Repository, project: Path) -> None:
    pinned = cache(chart(repository))
    (project / cached_path(pinned)).write_bytes(EVIL)
    assert read_or_fetch(pinned)[1] == GOOD
    cache(pinned)
    assert (project / cached_path(pinned)).read_bytes() == GOOD
    (project / cached_path(pinned)).write_bytes(EVIL)
    repository.publish(EVIL)
    assert "does not have the pinned checksum" in failure(pinned)


def test_pin_of_another_version_does_not_let_the_kept_one_pass_for_it(repository: Repository) -> None:
    """The version was raised, its pin was not: what is kept under the pin is the old version."""
    cache(chart(repository))
    repository.publish(EVIL, "1.11")
    assert "does not have the pinned checksum" in failure(chart(repository, version="1.11"))


def test_chart_without_a_pin_is_what_its_repository_has_now(repository: Repository, project: Path) -> None:
    first = cache(chart(repository, None))
    assert first.sha256 == sha256(GOOD)
    repository.publish(EVIL)
    second = cache(chart(repository, None))
    assert (second.sha256, cached_path(second) != cached_path(first)) == (sha256(EVIL), True)
    assert (project / cached_path(first)).read_bytes() == GOOD, "who was given the first still has it"


def test_version_names_no_other_folder(repository: Repository) -> None:
    assert cached_path(chart(repository, version="../../x+y")).startswith("./.charts/web-..%2F..%2Fx+y-")


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone writes for others")
def test_root_leaves_files_to_who_owns_the_project(repository: Repository, project: Path) -> None:
    os.chown(project, 1000, 1001)
    pinned = cache(chart(repository))
    for file in (project / ".charts", project / cached_path(pinned)):
        assert (file.stat().st_uid, file.stat().st_gid) == (1000, 1001)


def test_folder_that_cannot_be_written_is_named(repository: Repository, project: Path) -> None:
    (project / ".charts").touch()
    assert f"{project}/.charts/web-1.10" in failure(chart(repository))


def test_half_a_file_is_never_there(repository: Repository, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archives, "_set_owner", fails)
    assert "No space left on device" in failure(chart(repository))
    assert list((project / ".charts").iterdir()) == []


def test_what_was_checked_is_what_helm_is_given(repository: Repository, project: Path) -> None:
    """The repository changes between the check and the installation."""
    given = chart(repository).model_dump(by_alias=True)

    async def scenario() -> None:
        async with running_plugin() as plug:
            checked = await plug.check({}, given, CHART)
            repository.publish(EVIL)
            made = from_struct((await plug.create(checked, CHART)).properties)
            assert (project / made["path"]).read_bytes() == GOOD
            assert await plug.check(checked, given, CHART) == checked
            assert await plug.diff(made, checked, CHART) == (False, [])
            shutil.rmtree(project / ".charts")
            (reason,) = await plug.failures(given, checked, CHART)
            assert f"found  sha256 {sha256(EVIL)}" in reason

    run_scenario(scenario())


def test_preview_knows_the_path_and_shows_what_changed(repository: Repository) -> None:
    given = chart(repository, None).model_dump(by_alias=True, exclude_defaults=True)

    async def scenario() -> None:
        async with running_plugin() as plug:
            first = await plug.check({}, given, CHART)
            assert first == given | {"sha256": sha256(GOOD)}
            shown = from_struct((await plug.create(first, CHART, preview=True)).properties)
            old = from_struct((await plug.create(first, CHART)).properties)
            assert shown == old == first | {"path": f"./.charts/web-1.10-{sha256(GOOD)}.tgz"}
            repository.publish(EVIL)
            second = await plug.check(first, given, CHART)
            assert await plug.diff(old, second, CHART) == (True, ["sha256"])
            for preview in (True, False):
                new = await plug.update(old, second, urn=CHART, preview=preview)
                assert new["path"] == f"./.charts/web-1.10-{sha256(EVIL)}.tgz"
            await plug.delete(new, CHART)

    run_scenario(scenario())


def test_pin_of_what_is_installed_already_changes_nothing(repository: Repository) -> None:
    given = chart(repository, None).model_dump(by_alias=True, exclude_defaults=True)

    async def scenario() -> None:
        async with running_plugin() as plug:
            first = await plug.check({}, given, CHART)
            old = from_struct((await plug.create(first, CHART)).properties)
            pinned = await plug.check(first, given | {"sha256": sha256(GOOD)}, CHART)
            assert await plug.diff(old, pinned, CHART) == (False, [])

    run_scenario(scenario())


def test_repository_that_is_away_is_named(repository: Repository) -> None:
    given = chart(repository, repository="http://127.0.0.1:1/charts").model_dump(by_alias=True)

    async def scenario() -> None:
        async with running_plugin() as plug:
            (reason,) = await plug.failures(given, {}, CHART)
            assert "http://127.0.0.1:1/charts/index.yaml could not be fetched" in reason

    run_scenario(scenario())
