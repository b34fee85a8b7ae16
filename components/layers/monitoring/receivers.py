"""Settings of alert receivers, and the AlertmanagerConfig objects for these receivers."""

from collections.abc import Iterator, Mapping
from typing import Literal

from components.kubernetes.manifest import Json, Manifest, secret_manifest
from components.settings.checks import exactly_one
from components.settings.errors import Finding
from components.settings.fields import HostPort, MailAddress, StrictBool, Text
from components.settings.model import Model, SecretRef

_INTEGRATIONS = ("email", "slack", "webhook")


class EmailSettings(Model):
    """Settings of alert emails, which Alertmanager sends through your own SMTP server."""

    to: tuple[MailAddress, ...]
    """Email addresses that receive the alerts."""
    sender: MailAddress
    """Email address of the sender."""
    server: HostPort
    """SMTP server. Default port: 587. On port 465, Alertmanager uses TLS from the start of the connection."""
    require_tls: StrictBool = True
    """Whether Alertmanager requires TLS from the SMTP server. With `true`, Alertmanager sends no email through an SMTP
    server without TLS."""
    username: Text | None = None
    """User name for the SMTP login. Default: no login."""
    password: SecretRef | None = None
    """Pulumi secret that contains the password for the SMTP server."""


class SlackSettings(Model):
    """Settings of alerts in Slack, or in a service with Slack-compatible webhooks."""

    url: SecretRef
    """Pulumi secret that contains the URL of Slack's incoming webhook."""
    channel: Text | None = None
    """Slack channel or user that receives the alerts. Default: the channel for which Slack created the webhook."""


class WebhookSettings(Model):
    """Settings of a webhook of your own, which receives alerts as JSON in HTTP requests."""

    url: SecretRef
    """Pulumi secret that contains the URL of your webhook."""


class ReceiverSettings(Model):
    """Settings of a receiver of alerts. Set exactly one of `email`, `slack` and `webhook` for each receiver."""

    severities: tuple[Literal["critical", "warning", "info"], ...] = ("critical", "warning")
    """Severities of the alerts that Alertmanager sends to the receiver."""
    email: EmailSettings | None = None
    """Send alerts by email."""
    slack: SlackSettings | None = None
    """Send alerts to Slack."""
    webhook: WebhookSettings | None = None
    """Send alerts to a webhook."""


def credential_secrets(name: str, receiver: ReceiverSettings, namespace: str) -> Iterator[Manifest]:
    """Yield the Kubernetes Secret with the webhook URL or password of the alert receiver, if it has one."""
    email, http = receiver.email, receiver.slack or receiver.webhook
    data = {"url": http.url} if http else {"password": email.password} if email and email.password else {}
    if data:
        metadata = {"name": _secret_name(name), "namespace": namespace}
        yield secret_manifest(metadata, data)


def alertmanager_config(name: str, settings: ReceiverSettings, namespace: str) -> Manifest:
    """Return the AlertmanagerConfig for one alert receiver.

    Alertmanager may send the same alert to several receivers.
    """
    route = {
        "receiver": name,
        "matchers": [{"name": "severity", "matchType": "=~", "value": "|".join(settings.severities)}],
        "groupBy": ["alertname", "namespace"],
        "groupWait": "30s",
        "groupInterval": "5m",
        "repeatInterval": "12h",
    }
    spec = {"route": route, "receivers": [{"name": name, **_integration(name, settings)}]}
    metadata = {"name": name, "namespace": namespace}
    kind = {"apiVersion": "monitoring.coreos.com/v1alpha1", "kind": "AlertmanagerConfig"}
    return {**kind, "metadata": metadata, "spec": spec}


def _integration(name: str, settings: ReceiverSettings) -> dict[str, Json]:
    url = {"name": _secret_name(name), "key": "url"}
    if settings.email:
        return {"emailConfigs": [_email(name, settings.email)]}
    if settings.slack:
        channel = {"channel": settings.slack.channel} if settings.slack.channel else {}
        return {"slackConfigs": [{"apiURL": url, "sendResolved": True, **channel}]}
    return {"webhookConfigs": [{"urlSecret": url, "sendResolved": True}]}


def _email(name: str, email: EmailSettings) -> dict[str, Json]:
    with_port = ":" in email.server.rpartition("]")[2]
    login: dict[str, Json] = {}
    if email.username:
        login = {"authUsername": email.username, "authPassword": {"name": _secret_name(name), "key": "password"}}
    return {
        "to": ", ".join(email.to),
        "from": email.sender,
        "smarthost": email.server if with_port else f"{email.server}:587",
        "requireTLS": email.require_tls,
        "sendResolved": True,
        **login,
    }


def _secret_name(name: str) -> str:
    return f"receiver-{name}"


def findings(receivers: Mapping[str, ReceiverSettings]) -> Iterator[Finding]:
    """Yield errors in the settings of alert receivers."""
    for name, settings in receivers.items():
        yield from exactly_one(("receivers", name), settings, *_INTEGRATIONS)
        if not settings.severities:
            yield ("receivers", name, "severities"), "is empty, so no alert is sent", "add a severity, or remove it"
        if settings.email:
            yield from _email_problems(name, settings.email)


def _email_problems(name: str, email: EmailSettings) -> Iterator[Finding]:
    path = ("receivers", name, "email")
    if not email.to:
        yield (*path, "to"), "is empty", "add an email address"
    if (email.username is None) is not (email.password is None):
        yield path, "needs both username and password, or neither", "set both, or remove both"
