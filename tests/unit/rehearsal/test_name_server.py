"""The lab's DNS server for DNS-01 challenges: its address, its configuration, and the CoreDNS that forwards to it."""

from pathlib import Path

import pytest

from rehearsal import acme, name_server
from rehearsal.name_server import NameServer
from rehearsal.shell import RehearsalError
from tests.unit.rehearsal.test_acme import RFC2136, stack

GATEWAY = "10.9.0.254"


def server_at(nameserver: str, **more: str) -> NameServer:
    settings = RFC2136["rfc2136"] | {"nameserver": nameserver} | more  # type: ignore[operator]
    found = name_server.name_server_of(stack({"certManager": {"acme": RFC2136 | {"rfc2136": settings}}}), GATEWAY)
    assert found
    return found


def test_the_dns_server_has_the_address_in_the_stack_file() -> None:
    found = server_at("10.9.0.53:5353", tsigAlgorithm="HMACSHA512")
    assert found == NameServer("lab.test", "10.9.0.53", "10.9.0.53", 5353, "acme", "hmac-sha512")
    assert server_at("192.0.2.1").address == "192.0.2.1"
    v6 = server_at("[fd00::53]")
    assert (v6.host, v6.address, v6.port) == ("fd00::53", "fd00::53", 53)


def test_a_host_name_gets_a_free_address() -> None:
    found = server_at("ns.example.com")
    assert (found.host, found.address, found.port) == ("ns.example.com", "10.9.0.253", 53)
    text = acme.corefile(Path("/lab"), GATEWAY, found)
    assert "        10.9.0.253 ns.example.com\n" in text


@pytest.mark.parametrize("address", ["10.9.0.11", "10.9.0.100", GATEWAY])
def test_an_address_of_the_lab_is_refused(address: str) -> None:
    with pytest.raises(RehearsalError, match=rf"rfc2136.nameserver \({address}\) is the address of a machine"):
        server_at(address)


def test_without_rfc2136_no_dns_server_runs() -> None:
    assert name_server.name_server_of(stack({"certManager": {}}), GATEWAY) is None
    assert name_server.name_server_of(stack({}), GATEWAY) is None


def test_configuration_lets_the_key_change_only_txt_records() -> None:
    text = name_server.named_conf(server_at("10.9.0.53:5353"))
    assert "    listen-on port 53 { 10.9.0.53; };\n    listen-on port 5353 { 10.9.0.53; };\n" in text
    assert "    listen-on-v6 { none; };\n" in text
    assert f'key "acme" {{\n    algorithm hmac-sha256;\n    secret "{name_server.TSIG_SECRET}";\n}};\n' in text
    assert "    update-policy { grant acme zonesub TXT; };\n" in text
    assert "listen-on-v6 port 53 { fd00::53; };" in name_server.named_conf(server_at("[fd00::53]"))
    assert "ns AAAA fd00::53\n" in name_server.zone_file(server_at("[fd00::53]"))


def test_other_names_of_the_zone_are_forwarded() -> None:
    text = acme.corefile(Path("/lab"), GATEWAY, server_at("10.9.0.53:5353"))
    assert "        fallthrough lab.test\n    }\n    forward lab.test 10.9.0.53:53\n}\n" in text
    assert "forward" not in acme.corefile(Path("/lab"), GATEWAY)
