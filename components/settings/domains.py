"""Validation of domain names, and the domains for which no public CA issues certificates."""

import re

from components.settings.addresses import is_address
from components.settings.errors import setting_error

_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
DOMAIN_PATTERN = rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*"
_FIX = "use lower-case labels separated by dots, such as lab.example.com"
_PRIVATE = """
    alt corp example home home.arpa internal intranet invalid lan local localhost onion private
"""
"""Domains that nobody can register: RFC 6761, RFC 6762 (with appendix G), RFC 7686, RFC 8375, RFC 9476, and
`internal`, which ICANN reserved in 2024. The list omits `test`, the domain of tests with their own ACME server."""


def domain(value: str) -> str:
    """Validate a domain name, which must not be an IP address and must not be `localhost`."""
    if is_address(value):
        raise setting_error("is an IP address, not a domain name", "write a name such as lab.example.com")
    if not re.fullmatch(DOMAIN_PATTERN, value):
        raise setting_error("is not a domain name", _FIX)
    last = value.rpartition(".")[2]
    if last.isdecimal():
        raise setting_error("has a number as its last label, so programs read the name as an IP address", _FIX)
    if last == "localhost":
        fix = "use a domain of your own, such as lab.example.com"
        raise setting_error("is a name that every machine resolves to itself (RFC 6761)", fix)
    return value


def is_public(name: str) -> bool:
    """Whether a public CA can issue a certificate for the domain name."""
    return "." in name and not any(f".{name}".endswith(f".{private}") for private in _PRIVATE.split())
