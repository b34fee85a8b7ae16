"""The kinds of text that only the settings of apps are made of."""

import re
from typing import Annotated

from pydantic import Field

from components import cron
from components.fields import Kind
from components.wrong import wrong


class _Lines(Kind):
    """Text of any number of lines; it may be empty."""

    def __call__(self, value: str) -> str:
        """Return the text as it is; a file and a variable hold no zero bytes."""
        if "\0" in value:
            raise wrong("must not hold zero bytes", "write text")
        return value


def _like(name: str, pattern: str, fix: str) -> Kind:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value, re.ASCII):
            raise wrong(f"is not {_article(name)} {name}", fix)
        return value

    return Kind(name, check, pattern)


def _article(name: str) -> str:
    return "an" if name[0] in "aeiou" else "a"


_IMAGE = r"[a-z0-9]+([._:/-]+[a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?"


def _image(value: str) -> str:
    if not re.fullmatch(_IMAGE, value, re.ASCII):
        raise wrong("is not the name of an image", "write it as ghcr.io/owner/name:1.2.3")
    tag = value.rpartition("/")[2].partition(":")[2]
    if not tag or tag == "latest":
        raise wrong("names no version of the image", "end it with a tag such as :1.2.3, or with @sha256:…")
    return value


def _folder(value: str) -> str:
    if not re.fullmatch("(/[A-Za-z0-9._-]+)+", value, re.ASCII) or {".", ".."} & set(value.split("/")):
        fix = "begin it with /, and use letters, digits, dots, dashes and underscores, such as /etc/app/app.yaml"
        raise wrong("is not an absolute path", fix)
    return value


def _app_name(value: str) -> str:
    if not re.fullmatch("[a-z]([-a-z0-9]{0,38}[a-z0-9])?", value, re.ASCII):
        fix = "use at most 40 lower-case letters, digits and dashes, a letter first and no dash last"
        raise wrong("is not the name of an app", fix)
    if value == "default" or value.startswith("kube-"):
        raise wrong("is a namespace of Kubernetes itself", "use another name")
    return value


AppName = Annotated[str, Kind("name of an app", _app_name, "[a-z]([-a-z0-9]{0,38}[a-z0-9])?")]
DatabaseLabel = Annotated[
    str, _like("host label of at most 9 characters", "[a-z0-9]([-a-z0-9]{0,7}[a-z0-9])?", "write it like db or db-2")
]
Image = Annotated[str, Kind("image with its version", _image, _IMAGE)]
Lines = Annotated[str, _Lines("text", str)]
Path = Annotated[str, Kind("absolute path", _folder, "(/[A-Za-z0-9._-]+)+")]
Schedule = Annotated[str, Kind("cron schedule with seconds", cron.with_seconds)]
ObjectName = Annotated[
    str,
    _like(
        "name of an object",
        r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
        "write it as kubectl shows it, such as data-shop-0",
    ),
]
EnvName = Annotated[
    str,
    _like("environment variable", "[A-Za-z_][A-Za-z0-9_]*", "use letters, digits and underscores, no digit first"),
]
StackName = Annotated[
    str,
    _like(
        "stack name",
        "[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+/[A-Za-z0-9._-]+)?",
        "write the name of a stack of this project, or organization/project/stack",
    ),
]
UrlPath = Annotated[
    str, _like("URL path", "/[A-Za-z0-9._~%=&?+/-]*", "begin it with /, such as /healthz, without host and spaces")
]
Size = Annotated[str, _like("amount of bytes", "[1-9][0-9]*(Mi|Gi|Ti)", "write it as 512Mi or 10Gi")]
Cpu = Annotated[str, _like("amount of processors", "[1-9][0-9]*m?", "write it as 250m for a quarter of one, or as 2")]
Retention = Annotated[str, _like("time to keep backups", "[1-9][0-9]*[dwm]", "write it as 30d, 4w or 6m")]
Moment = Annotated[
    str,
    _like(
        "date and time",
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})",
        'write it in quotes, with its zone, such as "2026-08-01T12:00:00Z"',
    ),
]
DatabaseName = Annotated[
    str,
    _like(
        "name of a database", "[a-z_][a-z0-9_]{0,62}", "use lower-case letters, digits and underscores, no digit first"
    ),
]
Extension = Annotated[
    str,
    _like("extension of Postgres", "[a-z][a-z0-9_-]{0,62}", "write it as in CREATE EXTENSION, such as pg_trgm"),
]
Parameter = Annotated[
    str, _like("parameter of Postgres", r"[a-z][a-z0-9_.]*", "write its name as in postgresql.conf, such as work_mem")
]
Percent = Annotated[int, Field(strict=True, ge=1, le=100)]
Seconds = Annotated[int, Field(strict=True, ge=1, le=3600)]
UserId = Annotated[int, Field(strict=True, ge=0, le=2147483647)]
TimeZone = Annotated[
    str, _like("time zone", "(UTC|[A-Z][A-Za-z_]+(/[A-Z][A-Za-z0-9_+-]*)+)", "write it like Europe/Berlin or UTC")
]
PortName = Annotated[
    str,
    _like(
        "name of a port",
        "(?=[a-z0-9-]{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*",
        "use at most 15 lower-case letters, digits and single dashes, a letter among them",
    ),
]
ANY_CAPABILITY = "ALL"
_CAPABILITIES = (
    "AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH "
    "FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN "
    "NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT "
    "SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM"
)


def _capability(value: str) -> str:
    if value not in {*_CAPABILITIES.split(), ANY_CAPABILITY}:
        raise wrong("is not a capability of Linux", "write it in capitals and without CAP_, such as NET_ADMIN")
    return value


Capability = Annotated[str, Kind("capability of Linux", _capability, "[A-Z_]+")]
