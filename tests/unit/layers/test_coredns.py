"""CoreDNS: what its files say, what would break it, and what cert-manager has to know of it."""

from typing import Any

import pytest

from components.platform.layer import LabContext
from tests.support.cluster_fixtures import cluster
from tests.support.layer_fixtures import CLOUDFLARE, HTTP, lab, layer, problems
from tests.support.recorder import config_of, record
from tests.support.settings_fixtures import ROOT

FILE = ROOT / "tests/settings/valid/three-servers.yaml"
DOMAIN = cluster("three-servers").domain
HOSTS = {"hosts": {"nas.lan": ["10.0.0.9"]}}


def data(**zones: Any) -> dict[str, str]:
    (made,) = layer("coredns", lab(coredns={"zones": zones})).objects_after_charts()
    assert made["metadata"] == {"name": "coredns-custom", "namespace": "kube-system"}
    return dict(made["data"])


def test_hosts_are_said_here_and_the_rest_by_the_machines_servers() -> None:
    (text,) = data(lan={"hosts": {"nas.lan": ["10.0.0.9", "fd00::9"]}}).values()
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0] == "lan:53 {"
    inside = ["10.0.0.9 nas.lan", "fd00::9 nas.lan", "ttl 60", "fallthrough"]
    assert lines[lines.index("hosts {") :] == ["hosts {", *inside, "}", "forward . /etc/resolv.conf", "}"]
    assert text.count("{") == text.count("}")


def test_zones_are_asked_of_other_servers() -> None:
    (text,) = data(lan={"forward": ["10.1.0.53", "fd00::53"]}).values()
    assert "forward . 10.1.0.53 fd00::53\n" in text
    assert "hosts" not in text


def test_wildcard_answers_for_the_whole_zone_and_asks_nobody() -> None:
    made = data(lan={"wildcard": ["10.0.0.100", "fd00::100"], **HOSTS})
    assert made.keys() == {"lan.server", "lan.zone"}
    assert "file /etc/coredns/custom/lan.zone\n" in made["lan.server"]
    assert "forward" not in made["lan.server"]
    zone = made["lan.zone"].splitlines()
    assert zone[0] == "$ORIGIN lan."
    assert zone[3:] == [
        "@ 60 IN A 10.0.0.100",
        "@ 60 IN AAAA fd00::100",
        "* 60 IN A 10.0.0.100",
        "* 60 IN AAAA fd00::100",
    ]


def test_serial_changes_with_the_zone_and_only_then() -> None:
    one, same, other = (data(lan={"wildcard": [address]})["lan.zone"].splitlines()[1] for address in
                        ("10.0.0.1", "10.0.0.1", "10.0.0.2"))  # fmt: skip
    assert one == same != other
    assert 0 < int(one.split()[6]) < 2**32


def test_namespace_of_k3s_is_neither_made_nor_deleted() -> None:
    run = record(config_of(FILE) | {"platform": {"coredns": {"zones": {"lan": HOSTS}}}})
    made = run.resource("coredns-configmap-coredns-custom")
    assert made.plain["metadata"]["namespace"] == "kube-system"
    assert "coredns-namespace" not in {each.name for each in run.registered}
    assert {"a-roll", "e-roll"} <= {run.resources_by_urn[urn].name for urn in made.depends_on}
    assert not layer("coredns", lab(coredns={})).objects_after_charts()


@pytest.mark.parametrize(
    ("zones", "report"),
    [
        ({"lan": {}}, "zones.lan: is empty; add hosts, wildcard or forward"),
        (
            {"lan": {"wildcard": ["10.0.0.1"], "forward": ["10.0.0.2"]}},
            "zones.lan.forward: is never used, because wildcard answers all names that hosts does not list; "
            "keep either wildcard or forward",
        ),
        ({"wan": HOSTS}, "zones.wan.hosts.nas.lan: is not in the zone wan; use a name that ends in wan"),
        ({"lan": {"hosts": {"nas.lan": []}}}, "zones.lan.hosts.nas.lan: has no IP address; add at least one"),
        *(
            (
                {name: {"forward": ["10.0.0.2"]}},
                f"zones.{name}: would hide names of the cluster domain cluster.local; choose another zone",
            )
            for name in ("local", "cluster.local", "svc.cluster.local")
        ),
    ],
)
def test_what_is_wrong_is_reported(zones: Any, report: str) -> None:
    assert problems("coredns", lab(coredns={"zones": zones})) == [report]


def test_names_that_only_look_alike_are_no_part_of_each_other() -> None:
    assert not problems("coredns", lab(coredns={"zones": {"mycluster.local": {"forward": ["10.0.0.2"]}}}))


def test_it_needs_the_coredns_of_k3s_and_minds_its_domain() -> None:
    options = {"disable": ["coredns"], "serverOptions": {"cluster-domain": "k8s.lan"}}
    found = LabContext(cluster("three-servers", k3s=options), lab(coredns={"zones": {"lan": HOSTS}}).layers)
    assert problems("coredns", found) == [
        ": needs K3s' CoreDNS, which k3s.disable disables; remove coredns from k3s.disable",
        "zones.lan: would hide names of the cluster domain k8s.lan; choose another zone",
    ]


MISSING = "acme.nameservers: is missing: the zone {} of the layer coredns hides the TXT records of ACME challenges"


@pytest.mark.parametrize("zone", [DOMAIN, f"in.{DOMAIN}", DOMAIN.partition(".")[2]])
@pytest.mark.parametrize("given", [{"wildcard": ["10.0.0.1"]}, {"forward": ["10.0.0.2"]}])
def test_proofs_are_looked_for_where_the_world_looks(zone: str, given: Any) -> None:
    zones = {"zones": {zone: given}}
    (report,) = problems("certManager", lab(certManager={"acme": CLOUDFLARE}, coredns=zones))
    assert report.startswith(MISSING.format(zone))
    asked = CLOUDFLARE | {"nameservers": ["1.1.1.1"]}
    assert not problems("certManager", lab(certManager={"acme": asked}, coredns=zones))


def test_proofs_do_not_mind_what_is_no_records_of_theirs() -> None:
    found = {"zones": {DOMAIN: {"hosts": {f"nas.{DOMAIN}": ["10.0.0.9"]}}, "lan": {"forward": ["10.0.0.2"]}}}
    assert not problems("certManager", lab(certManager={"acme": CLOUDFLARE}, coredns=found))
    hidden = {"zones": {DOMAIN: {"wildcard": ["10.0.0.1"]}}}
    assert not problems("certManager", lab(certManager={"acme": HTTP}, coredns=hidden, traefik={}))
    assert not problems("certManager", lab(certManager={}, coredns=hidden))
