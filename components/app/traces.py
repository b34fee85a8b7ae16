"""The traces of an app: where its pods send them to, as OpenTelemetry's variables say it."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pulumi

from components.app.settings import AppSettings
from components.app.surroundings import Surroundings
from components.manifest import Tree

VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_SERVICE_NAME")


def environment(app: AppSettings, platform: Surroundings) -> Iterator[Tree]:
    """Yield the variables, if the app sends traces."""
    if app.traces:
        for name, value in zip(VARIABLES, (platform.traces_endpoint, "http/protobuf", app.name), strict=True):
            yield {"name": name, "value": value}


def namespace(platform: Surroundings) -> pulumi.Output[str | None]:
    """Namespace in which they are taken, of a URL such as http://NAME.NAMESPACE.svc:4318."""
    return platform.traces_endpoint.apply(lambda url: str(urlsplit(url).hostname).split(".")[1] if url else None)


def port(platform: Surroundings) -> pulumi.Output[int | None]:
    """Port on which they are taken."""
    return platform.traces_endpoint.apply(lambda url: urlsplit(url).port if url else None)
