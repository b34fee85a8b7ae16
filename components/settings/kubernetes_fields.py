"""Types of settings whose format Kubernetes defines, such as images, paths, sizes and names."""

import re
from typing import Annotated

from pydantic import Field

from components.settings.errors import setting_error
from components.settings.fields import TextType
from components.settings.time_zones import TIME_ZONE_PATTERN, time_zone


class _Lines(TextType):
    """Type of texts that may be empty, and may have several lines."""

    def __call__(self, value: str) -> str:
        """Return the text unchanged.

        Reject texts with null bytes, which files and environment variables cannot contain.
        """
        if "\0" in value:
            raise setting_error("must not contain null bytes", "write plain text")
        return value


def matching(name: str, pattern: str, fix: str) -> TextType:
    """Return the type of texts that match the regular expression `pattern`.

    `fix` is the part of the error message that explains how to write a valid text.
    """

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value, re.ASCII):
            raise setting_error(f"is not {_article(name)} {name}", fix)
        return value

    return TextType(name, check, pattern)


def _article(name: str) -> str:
    return "an" if name[0].lower() in "aeio" else "a"  # a URL path


_PART = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = (
    rf"([a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{{1,5}})?/)?{_PART}(/{_PART})*"
    r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?"
)


def _image(value: str) -> str:
    if "://" in value:
        raise setting_error("must not have a URL scheme", "remove everything up to and including ://")
    name = value.rpartition("/")[2].partition("@")[0]
    if name.count(":") > 1:
        raise setting_error("has two tags", "keep one of them, such as :1.2.3")
    if not re.fullmatch(_IMAGE, value, re.ASCII):
        raise setting_error("is not an image name", "write it as ghcr.io/owner/name:1.2.3")
    if "@" not in value and name.partition(":")[2] in ("", "latest"):
        raise setting_error(
            "needs a digest, or a tag other than latest", "end it with a tag such as :1.2.3, or with @sha256:…"
        )
    return value


_ABSOLUTE_PATH = "(/[A-Za-z0-9._-]+)+"
_RELATIVE_PATH = "[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*"


def _absolute_path(value: str) -> str:
    if value.endswith("/") and re.fullmatch(_ABSOLUTE_PATH, value.rstrip("/"), re.ASCII):
        raise setting_error("must not end with a slash", "remove it")
    if value != value.strip():
        raise setting_error("must not begin or end with a space", "remove it")
    if not re.fullmatch(_ABSOLUTE_PATH, value, re.ASCII) or {".", ".."} & set(value.split("/")):
        fix = "start the path with /, and use letters, digits, dots, dashes and underscores, such as /etc/app/app.yaml"
        raise setting_error("is not an absolute path", fix)
    return value


def _relative_path(value: str) -> str:
    if not re.fullmatch(_RELATIVE_PATH, value, re.ASCII) or {".", ".."} & set(value.split("/")):
        fix = "write it without / at the start and end, and without the segments . and .., such as app/config"
        raise setting_error("is not a relative path", fix)
    return value


_MAX_CPUS = 128
_CPU = "[1-9][0-9]*m?"


def _cpu(value: str) -> str:
    if decimal := re.fullmatch(r"0*([0-9]*)\.([0-9]{1,3})0*", value, re.ASCII):
        millicores = int(decimal[1] or 0) * 1000 + int(decimal[2].ljust(3, "0"))
        fix = f"write {millicores}m" if millicores else "write 250m for a quarter of a CPU"
        raise setting_error("must not have a decimal point", fix)
    if not re.fullmatch(_CPU, value, re.ASCII):
        raise setting_error("is not a CPU quantity", "write 250m for a quarter of a CPU, or 2 for two CPUs")
    if not value.endswith("m") and int(value) > _MAX_CPUS:
        raise setting_error(f"is {value} whole CPUs", f"write {value}m for {value} millicores")
    return value


def _app_name(value: str) -> str:
    if not re.fullmatch("[a-z]([-a-z0-9]{0,38}[a-z0-9])?", value, re.ASCII):
        fix = "use at most 40 lower-case letters, digits and dashes, start with a letter and do not end with a dash"
        raise setting_error("is not a valid app name", fix)
    if value == "default-deny":
        raise setting_error("is the name of a NetworkPolicy that every app has", "use another name")
    if value == "default" or value.startswith("kube-"):
        raise setting_error("is reserved for namespaces of Kubernetes", "use another name")
    return value


AppName = Annotated[str, TextType("app name", _app_name, "[a-z]([-a-z0-9]{0,38}[a-z0-9])?")]
Image = Annotated[str, TextType("image with tag or digest", _image, _IMAGE)]
MultilineText = Annotated[str, _Lines("text", str)]
ABSOLUTE_PATH = TextType("absolute path", _absolute_path, _ABSOLUTE_PATH)
AbsolutePath = Annotated[str, ABSOLUTE_PATH]
RelativePath = Annotated[str, TextType("relative path", _relative_path, _RELATIVE_PATH)]
ObjectName = Annotated[
    str,
    matching(
        "Kubernetes object name",
        r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
        "write the name that `kubectl get` prints, such as data-shop-0",
    ),
]
EnvName = Annotated[
    str,
    matching(
        "environment variable name",
        "[A-Za-z_][A-Za-z0-9_]*",
        "use letters, digits and underscores, and do not start with a digit",
    ),
]
StackName = Annotated[
    str,
    matching(
        "stack name",
        "[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+/[A-Za-z0-9._-]+)?",
        "write the name of a stack of this project, or organization/project/stack",
    ),
]
UrlPath = Annotated[
    str,
    matching("URL path", "/[A-Za-z0-9._~%=&?+/-]*", "start the path with /, such as /healthz, without host or spaces"),
]
IngressPath = Annotated[
    str,
    matching(
        "Ingress path",
        r"/|(/(?!\.{1,2}(/|$))[A-Za-z0-9._~=&+-]+)+/?",
        "start the path with /, such as /api, and do not use //, ?, % or the segments . and ..",
    ),
]


Size = Annotated[str, matching("size in Mi, Gi or Ti", "[1-9][0-9]*(Mi|Gi|Ti)", "write it as 512Mi or 10Gi")]
Cpu = Annotated[str, TextType("CPU quantity", _cpu, _CPU)]
Percent = Annotated[int, Field(strict=True, ge=1, le=100)]
Seconds = Annotated[int, Field(strict=True, ge=1, le=3600)]
UserId = Annotated[int, Field(strict=True, ge=0, le=2147483647)]
TimeZone = Annotated[str, TextType("time zone", time_zone, TIME_ZONE_PATTERN)]
PortName = Annotated[
    str,
    matching(
        "port name",
        "(?=[a-z0-9-]{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*",
        "use at most 15 lower-case letters, digits and single dashes, with at least one letter",
    ),
]
ALL_CAPABILITIES = "ALL"
_CAPABILITIES = (
    "AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH "
    "FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN "
    "NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT "
    "SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM"
)


def _capability(value: str) -> str:
    if value not in {*_CAPABILITIES.split(), ALL_CAPABILITIES}:
        raise setting_error(
            "is not a Linux capability", "write the capability in capitals and without CAP_, such as NET_ADMIN"
        )
    return value


Capability = Annotated[str, TextType("Linux capability", _capability, "[A-Z_]+")]
