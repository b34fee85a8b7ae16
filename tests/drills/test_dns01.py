"""DNS-01 challenges with the real cert-manager, Pebble and BIND on a small lab. The tests depend on their order."""

import base64
import json
import re
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from bench.labs import stack_document
from rehearsal import name_server
from rehearsal.paths import ACME_FOLDER
from rehearsal.programs import catalog
from rehearsal.shell import run
from tests.drills import dns_webhook
from tests.drills.measurements import Recorder
from tests.drills.test_certificates import apply, verify_lets_encrypt
from tests.rehearsal.rehearsed_lab import RehearsedLab, rehearse, wait_until

pytestmark = pytest.mark.drill

NAMESERVER = "10.9.0.53"
TIMEOUT = 300
"""Seconds: cert-manager solves the challenges of a domain and of its wildcard one after the other."""
CHALLENGE = "_acme-challenge.lab.test"
OTHER_SECRET = base64.b64encode(b"another secret of 32 bytes, valid").decode()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    document = stack_document(1, 0)
    rfc2136 = {"nameserver": NAMESERVER, "tsigKeyName": "cert-manager", "tsigSecret": {"secret": "tsig"}}
    document["config"] |= {
        "homelab:platform": {"certManager": {"acme": {"email": "me@example.com", "rfc2136": rfc2136}, "ca": {}}},
        "homelab:tsig": {"secure": "v1:c2FtcGxl:c2FtcGxl"},
    }
    with rehearse("dns01", document, tmp_path_factory.mktemp("dns01")) as found:
        yield found


def request(lab: RehearsedLab, name: str, *hosts: str) -> None:
    """Request a certificate from Let's Encrypt's stand-in."""
    issuer = {"name": "letsencrypt", "kind": "ClusterIssuer"}
    apply(lab, "Certificate", name, {"secretName": name, "dnsNames": list(hosts), "issuerRef": issuer})


def check(lab: RehearsedLab, name: str, *hosts: str) -> None:
    """Verify that Pebble signed the certificate for all hosts, as a browser does that trusts Pebble's CA."""
    verify_lets_encrypt(lab, name, *hosts, seconds=TIMEOUT)


def records(lab: RehearsedLab, server: str, name: str, kind: str) -> list[str]:
    """Return the records of a name with which a DNS server answers."""
    tree = name_server.recipe().folder / "bind"
    dig = name_server.chroot_command(lab.lab, tree, "/usr/bin/dig", "+short", f"@{server}", name, kind)
    return run(lab.lab.netns.command(*dig)).split()


def txt_records(lab: RehearsedLab, name: str = CHALLENGE) -> list[str]:
    """Return the TXT records of a name, as BIND answers."""
    return records(lab, NAMESERVER, name, "TXT")


def log(lab: RehearsedLab, name: str) -> str:
    return (lab.lab.folder / ACME_FOLDER / name).read_text()


def challenges(lab: RehearsedLab) -> list[dict[str, Any]]:
    items = json.loads(lab.kubectl("get", "challenges", "-A", "-o", "json"))["items"]
    assert isinstance(items, list)
    return items


def test_a_wildcard_certificate_is_issued_after_a_dns_challenge(lab: RehearsedLab, record: Recorder) -> None:
    lab.up()
    began = time.monotonic()
    request(lab, "wildcard", "lab.test", "*.lab.test")
    wait_until(lambda: txt_records(lab), "BIND has the TXT record", TIMEOUT)
    check(lab, "wildcard", "lab.test", "any.lab.test")
    record("wildcard certificate by DNS-01 with RFC 2136", f"{time.monotonic() - began:.0f} s")
    print(log(lab, "pebble.log")[-4000:], log(lab, "bind/named.log")[-4000:], sep="\n")
    assert f"updating zone 'lab.test/IN': adding an RR at '{CHALLENGE}' TXT" in log(lab, "bind/named.log")


def test_the_txt_records_are_removed(lab: RehearsedLab) -> None:
    wait_until(lambda: not txt_records(lab), "the TXT records are removed", TIMEOUT)
    wait_until(lambda: not challenges(lab), "the challenges are deleted", TIMEOUT)


def test_second_up_changes_nothing(lab: RehearsedLab) -> None:
    lab.up_changes_nothing()


def test_with_nameservers_cert_manager_asks_only_these(lab: RehearsedLab) -> None:
    lab.document["config"]["homelab:platform"]["certManager"]["acme"]["nameservers"] = [NAMESERVER]
    lab.reopen()
    lab.up()
    request(lab, "recursive", "recursive.lab.test")
    check(lab, "recursive", "recursive.lab.test")


def test_a_record_that_lets_encrypt_does_not_see_is_named(lab: RehearsedLab) -> None:
    """BIND has the TXT record, and cert-manager sees the record, but the DNS server that Pebble queries does not."""
    corefile = lab.lab.folder / ACME_FOLDER / "Corefile"
    text = corefile.read_text()
    forwarded = partial(records, lab, lab.lab.address, "ns.lab.test", "A")
    assert forwarded()
    corefile.write_text(re.sub(r"    forward .*\n", "", text))
    wait_until(lambda: not forwarded(), "CoreDNS has loaded its configuration without `forward`", 30)
    request(lab, "hidden", "hidden.lab.test")
    failed = ["get", "certificate", "hidden", "-o", "jsonpath={.status.conditions[?(@.type=='Issuing')].reason}"]
    wait_until(lambda: lab.kubectl(*failed) == "Failed", "the challenge has failed", TIMEOUT)
    assert_doctor(lab, "hidden", "TXT records for DNS challenge")
    wait_until(lambda: not txt_records(lab, "_acme-challenge.hidden.lab.test"), "the TXT record is removed", TIMEOUT)
    lab.kubectl("delete", "certificate", "hidden")
    corefile.write_text(text)


def assert_doctor(lab: RehearsedLab, name: str, *words: str) -> None:
    """Run `./homelab doctor`, which must report a certificate that is not ready, with all words in one line."""
    said = lab.homelab("doctor", code=1)
    (line,) = [line for line in said.splitlines() if f"Certificate default/{name}: is not ready" in line]
    assert all(word in line for word in words), line


def test_a_wrong_tsig_secret_is_named(lab: RehearsedLab, record: Recorder) -> None:
    lab.pulumi_succeeds("config", "set", "--secret", "homelab:tsig", OTHER_SECRET)
    lab.up()
    began = time.monotonic()
    request(lab, "wrong", "wrong.lab.test")
    wait_until(lambda: any((each.get("status") or {}).get("reason") for each in challenges(lab)), "a reason", TIMEOUT)
    record("wrong TSIG secret: the challenge names the reason after", f"{time.monotonic() - began:.0f} s")
    print(json.dumps(challenges(lab)[0]["status"]))
    print(lab.kubectl("describe", "certificate,order,challenge"))
    print(log(lab, "bind/named.log")[-3000:])
    assert_doctor(lab, "wrong", "bad authentication")


def test_the_right_tsig_secret_needs_only_up(lab: RehearsedLab) -> None:
    lab.pulumi_succeeds("config", "set", "--secret", "homelab:tsig", name_server.TSIG_SECRET)
    lab.up()
    check(lab, "wrong", "wrong.lab.test")
    assert "Nothing to fix" in lab.homelab("doctor")


def test_a_webhook_solves_the_challenge(lab: RehearsedLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rehearsal starts no DNS server for a webhook, but BIND still runs from the tests before."""
    monkeypatch.setattr(catalog, "PROGRAMS", (*catalog.PROGRAMS, dns_webhook.PROGRAM))
    rfc2136 = lab.document["config"]["homelab:platform"]["certManager"]["acme"].pop("rfc2136")
    chart = {"name": dns_webhook.NAME, "version": dns_webhook.VERSION, "repository": "https://charts.example.com"}
    lab.document["config"]["homelab:platform"]["certManager"]["acme"]["webhook"] = {
        "groupName": dns_webhook.GROUP,
        "solverName": dns_webhook.SOLVER,
        "config": {
            "nameserver": rfc2136["nameserver"],
            "tsigKeyName": rfc2136["tsigKeyName"],
            "tsigAlgorithm": "HMACSHA256",
            "tsigSecretSecretRef": rfc2136["tsigSecret"],
        },
        "chart": chart | {"values": {"groupName": dns_webhook.GROUP}},
    }
    lab.reopen()
    lab.up()
    hosts = ("webhook.lab.test", "*.webhook.lab.test")  # Pebble can reuse the authorizations of other names
    request(lab, "webhook", *hosts)
    check(lab, "webhook", "webhook.lab.test", "any.webhook.lab.test")
    record = "_acme-challenge.webhook.lab.test"
    wait_until(lambda: not txt_records(lab, record), "the TXT records are removed", TIMEOUT)
    assert f"adding an RR at '{record}' TXT" in log(lab, "bind/named.log")
    lab.up_changes_nothing()
    lab.homelab("doctor")
