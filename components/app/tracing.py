"""Tracing of an app: OpenTelemetry environment variables, and the endpoint that receives traces."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pulumi

from components.app.platform_outputs import AppPlatformOutputs
from components.app.settings import AppSettings
from components.kubernetes.manifest import Json

VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_SERVICE_NAME")


def environment(app: AppSettings, platform: AppPlatformOutputs) -> Iterator[Json]:
    """Yield the OpenTelemetry environment variables of an app with `traces: true`."""
    if app.traces:
        for name, value in zip(VARIABLES, (platform.traces_endpoint, "http/protobuf", app.name), strict=True):
            yield {"name": name, "value": value}


def endpoint_namespace(platform: AppPlatformOutputs) -> pulumi.Output[str | None]:
    """Return the namespace in the URL of the traces endpoint, such as http://NAME.NAMESPACE.svc:4318."""
    return platform.traces_endpoint.apply(lambda url: str(urlsplit(url).hostname).split(".")[1] if url else None)


def endpoint_port(platform: AppPlatformOutputs) -> pulumi.Output[int | None]:
    """Return the port in the URL of the traces endpoint."""
    return platform.traces_endpoint.apply(lambda url: urlsplit(url).port if url else None)
