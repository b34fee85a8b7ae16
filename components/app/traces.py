"""Tracing of an app: the OpenTelemetry variables, and the destination of the traces."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pulumi

from components.app.settings import AppSettings
from components.app.surroundings import Surroundings
from components.kubernetes.manifest import Tree

VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_SERVICE_NAME")


def environment(app: AppSettings, platform: Surroundings) -> Iterator[Tree]:
    """Yield the OpenTelemetry variables, if the app sends traces."""
    if app.traces:
        for name, value in zip(VARIABLES, (platform.traces_endpoint, "http/protobuf", app.name), strict=True):
            yield {"name": name, "value": value}


def namespace(platform: Surroundings) -> pulumi.Output[str | None]:
    """Return the namespace in the URL of the traces endpoint, such as http://NAME.NAMESPACE.svc:4318."""
    return platform.traces_endpoint.apply(lambda url: str(urlsplit(url).hostname).split(".")[1] if url else None)


def port(platform: Surroundings) -> pulumi.Output[int | None]:
    """Return the port in the URL of the traces endpoint."""
    return platform.traces_endpoint.apply(lambda url: urlsplit(url).port if url else None)
