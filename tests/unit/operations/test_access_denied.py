"""What commands and `doctor` say of a kubeconfig that the API does not take, or will not take for long."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from components.cluster.certificate_validity import Validity
from operations import health_checks
from operations.api import Api, ApiError
from operations.findings import Report, State
from operations.pulumi_stack import Stack
from rehearsal import certificates
from stacks.settings import LabStack
from tests.support import fake_api
from tests.support.fake_api import FakeApi
from tests.support.fake_pulumi import FakePulumi
from tests.support.settings_fixtures import ROOT

FILE = ROOT / "tests/settings/valid/three-servers.yaml"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[FakeApi]:
    with fake_api.serve_api(tmp_path / "tls") as found:
        yield found


def lasting(monkeypatch: pytest.MonkeyPatch, days: float, left: float) -> None:
    """Have every certificate last so many days, of which some are left."""
    ends = datetime.now(UTC) + timedelta(days=left, hours=1)
    monkeypatch.setattr(Validity, "of_kubeconfig_user", lambda _: Validity(ends - timedelta(days=days), ends))


def asked(api: FakeApi, status: int) -> str:
    api.answers["/x"] = status
    with pytest.raises(ApiError) as caught:
        Api(api.kubeconfig).get("/x")
    return str(caught.value)


def test_one_that_has_ended_is_told_with_what_renews_it(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    lasting(monkeypatch, 365, -1)
    said = asked(api, 401)
    assert re.search(
        r"rejects the kubeconfig \(401 Unauthorized\): the client certificate expired on 20\S+ \S+ UTC; ", said
    )
    assert said.endswith("; run `pulumi up` to renew the kubeconfig")


def test_one_that_is_good_is_of_another_cluster(api: FakeApi) -> None:
    said = asked(api, 401)
    assert said.endswith(
        "the cluster's CA did not sign the client certificate, for example after a restore; "
        "run `pulumi up` to renew the kubeconfig"
    )


def test_who_has_no_rights_is_told_how_he_gets_them(api: FakeApi) -> None:
    said = asked(api, 403)
    assert said.endswith(
        "denies the kubeconfig's user access to /x (403 Forbidden); run `pulumi up` to restore the user's RBAC rules"
    )


def test_an_api_of_another_authority_is_no_silence(api: FakeApi, tmp_path: Path) -> None:
    other = certificates.ensure(tmp_path / "other", fake_api.ADDRESS).ca.read_text()
    mine = Api(api.kubeconfig)._ca
    content = api.kubeconfig.replace(fake_api.to_base64(mine), fake_api.to_base64(other))
    with pytest.raises(ApiError, match="has a certificate that the kubeconfig's CA did not sign: "):
        Api(content).get("/x")


def of_cluster(pulumi: FakePulumi, api: FakeApi) -> Report:
    pulumi.set_outputs(kubeconfig=api.kubeconfig)
    (found, *_) = health_checks.cluster_reports(LabStack.read(FILE), Stack("lab", FILE))
    return found


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePulumi:
    return FakePulumi(tmp_path / "pulumi", monkeypatch)


@pytest.mark.parametrize(("left", "state"), [(300, State.FINE), (92, State.FINE), (90, State.NOTE), (2, State.NOTE)])
def test_doctor_says_how_long_it_is_good(
    pulumi: FakePulumi, api: FakeApi, monkeypatch: pytest.MonkeyPatch, left: float, state: State
) -> None:
    api.add_list("/api/v1/nodes")
    lasting(monkeypatch, 365, left)
    (found,) = (each for each in of_cluster(pulumi, api).findings if each.check == "kubeconfig")
    assert found.state is state
    assert "expires on 20" in found.says
    assert (f", in {left} days" in found.says) == (state is not State.FINE)
    assert ("run `pulumi up` to renew the kubeconfig" in found.fix) == (state is not State.FINE)


def test_doctor_has_the_fix_for_one_that_the_api_does_not_take(
    pulumi: FakePulumi, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    lasting(monkeypatch, 365, -1)
    api.answers["/api/v1/nodes"] = 401
    (found,) = of_cluster(pulumi, api).findings
    assert (found.check, found.state, found.fix) == (
        "kubeconfig",
        State.WRONG,
        "run `pulumi up` to renew the kubeconfig",
    )
    assert "the client certificate expired on" in found.says


def test_it_reads_the_certificate_of_a_kubeconfig(api: FakeApi) -> None:
    user = yaml.safe_load(api.kubeconfig)["users"][0]["user"]
    found = Validity.of_kubeconfig_user(user)
    assert found.ends - found.begins == certificates.LIFETIME + certificates.CLOCK_SKEW
    assert not found.needs_renewal
    assert not found.is_expired
