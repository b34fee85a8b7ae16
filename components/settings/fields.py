"""Types of settings. Each type validates a value, converts the value to its canonical form, and explains errors."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from components.settings import addresses, certificates, cron, domains, host_keys, labels
from components.settings.characters import invisible_character
from components.settings.errors import setting_error

_LAST_CONTROL = 0x9F
_LONG = 100_000
"""Largest length of free texts and of certificates."""


def require_printable(value: str) -> None:
    """Raise a validation error if the text contains line breaks, control characters or invisible characters."""
    if value.isprintable():
        return
    invisible = invisible_character(value)
    if invisible and int(invisible[2:], 16) > _LAST_CONTROL:
        raise setting_error(f"contains the invisible character {invisible}", "type the value again")
    raise setting_error("must not contain line breaks or control characters", "write it on one line")


@dataclass(frozen=True)
class TextType:
    """Type of a text setting: its name, a function that validates a text, and a regular expression for editors."""

    name: str
    check: Callable[[str], str]
    pattern: str | None = None
    max_length: int = 2000

    def __call__(self, value: str) -> str:
        """Validate `value`, and return it in canonical form."""
        if len(value) > self.max_length:
            raise setting_error(f"is longer than {self.max_length} characters", "shorten it")
        require_printable(value)
        return self.check(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self, core_schema.str_schema(strict=True))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(schema) | ({"pattern": f"^{self.pattern}$"} if self.pattern else {})


def _matching(name: str, pattern: str, reason: str, fix: str, max_length: int = 2000) -> TextType:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise setting_error(reason, fix)
        return value

    return TextType(name, check, pattern, max_length)


def _one_line(value: str) -> str:
    if not value.strip():
        raise setting_error("must not be empty", "write a value or remove the key")
    return value


DOMAIN = TextType("domain name", domains.domain, domains.DOMAIN_PATTERN)

DnsLabel = Annotated[
    str,
    _matching(
        "DNS label",
        "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?",
        "is not a DNS label",
        "use at most 63 lower-case letters, digits and dashes, with a letter or digit at both ends",
    ),
]
Domain = Annotated[str, DOMAIN]
_MAIL = r"[^@\s]+@[^@\s]+\.[^@\s]+"
_MAX_MAIL = 254
"""Largest length of an email address (RFC 5321, section 4.5.3.1.3)."""
MailAddress = Annotated[
    str,
    _matching("email address", _MAIL, "is not an email address", "write it as me@example.com", max_length=_MAX_MAIL),
]
TsigKeyName = Annotated[
    str,
    _matching(
        "name of a TSIG key",
        r"(?=.{1,253}$)[a-z0-9_]([-a-z0-9_]{0,62})(\.[a-z0-9_]([-a-z0-9_]{0,62}))*\.?",
        "is not the name of a TSIG key",
        "use lower-case letters, digits, dashes, underscores and dots: DNS servers ignore the case of the name",
    ),
]
User = Annotated[
    str,
    _matching(
        "user name",
        "[a-z_][a-z0-9_.-]{0,31}",
        "is not a user name",
        "use at most 32 lower-case letters, digits, dots, dashes and underscores, and start with a letter",
    ),
]
Interface = Annotated[
    str,
    _matching(
        "interface name",
        "[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}",
        "is not the name of a network interface",
        "use a name of at most 15 characters that `ip link` shows, such as eth0",
    ),
]
SecretName = Annotated[
    str,
    _matching(
        "name of a secret",
        "[A-Za-z][A-Za-z0-9_-]{0,62}",
        "is not the name of a configuration key",
        "use letters, digits, dashes and underscores, and start with a letter, such as sshKey",
    ),
]
_NUMBER = "(0|[1-9][0-9]{0,3})"
K3sVersion = Annotated[
    str,
    _matching(
        "K3s version",
        rf"v{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-rc[1-9][0-9]*)?\+k3s[1-9][0-9]*",
        "is not a K3s version",
        "use the name of a K3s release, such as v1.36.3+k3s1",
    ),
]
Sha256 = Annotated[
    str,
    _matching(
        "SHA-256",
        "[0-9a-f]{64}",
        "is not a SHA-256 checksum",
        "write the 64 lower-case hexadecimal digits that sha256sum prints",
    ),
]
Bucket = Annotated[
    str,
    _matching(
        "bucket name",
        "[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
        "is not a bucket name",
        "use 3 to 63 lower-case letters, digits, dots and dashes",
    ),
]
Registry = Annotated[
    str,
    _matching(
        "registry",
        r"\*|[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?|\[[0-9a-f:]+\](:[0-9]{1,5})?",
        "is not a registry",
        "write host or host:port without scheme or path, such as docker.io, or * for all other registries",
    ),
]
OptionName = Annotated[
    str,
    _matching(
        "K3s option",
        "[a-z][a-z0-9-]*",
        "is not the name of a K3s option",
        "write the option in lower case with dashes and without the leading --, such as kubelet-arg",
    ),
]
Text = Annotated[str, TextType("text", _one_line, max_length=_LONG)]
Certificate = Annotated[str, TextType("certificate", certificates.base64_pem, max_length=_LONG)]
IssuingCa = Annotated[str, TextType("CA certificate", certificates.issuing_ca, max_length=_LONG)]
Address = Annotated[str, TextType("IP address", addresses.machine_ip)]
PodAddress = Annotated[str, TextType("IP address", addresses.pod_ip)]
Cidr = Annotated[str, TextType("CIDR", addresses.cidr)]
AddressRange = Annotated[str, TextType("address range", addresses.address_range)]
Host = Annotated[str, TextType("host name or IP address", addresses.host)]
HostPort = Annotated[str, TextType("host or host:port", addresses.host_port)]
Url = Annotated[str, TextType("http(s) URL", addresses.http_url)]
ChartRepositoryUrl = Annotated[str, TextType("http(s) or oci URL", addresses.chart_repository)]
HostKey = Annotated[str, TextType("SSH host key", host_keys.host_key)]
CaPublicKey = Annotated[str, TextType("SSH public key", host_keys.ca_public_key)]
Schedule = Annotated[str, TextType("cron schedule", cron.schedule)]
LabelKey = Annotated[str, TextType("label key", labels.label_key)]
SelectorKey = Annotated[str, TextType("label key", labels.selector_key)]
LabelValue = Annotated[str, TextType("label value", labels.label_value)]
Taint = Annotated[str, TextType("taint", labels.taint)]

Port = Annotated[int, Field(strict=True, ge=1, le=65535)]
PositiveInt = Annotated[int, Field(strict=True, ge=1)]
StrictBool = Annotated[bool, Field(strict=True)]


def _option(value: Any) -> Any:
    """Validate the value of one K3s option, as written in the `config.yaml` of K3s."""
    entries = tuple(value) if isinstance(value, list | tuple) else (value,)
    for entry in entries:
        if not isinstance(entry, str | int | float):
            raise setting_error(
                "must be text, a number, true, false, or a list of these", "write it as in K3s' config.yaml"
            )
        if isinstance(entry, str):
            require_printable(entry)
        if isinstance(entry, float) and not math.isfinite(entry):
            raise setting_error("is not a finite number", "write a number in digits")
    return entries if isinstance(value, list | tuple) else value


_SCALAR = [{"type": json_type} for json_type in ("string", "number", "boolean")]


@dataclass(frozen=True)
class OptionType:
    """Type of a K3s option's value, which is a scalar or a list of scalars."""

    name: str = "text, number, true, false or a list"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(_option)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [*_SCALAR, {"type": "array", "items": {"anyOf": _SCALAR}}]}


Scalar = str | int | float | bool
OptionValue = Annotated[Scalar | tuple[Scalar, ...], OptionType()]
