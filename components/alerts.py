"""Who is told of which alerts, as objects of the Prometheus operator."""

from collections.abc import Iterator, Mapping
from typing import Literal

from components.fields import HostPort, MailAddress, Switch, Text
from components.layer import Finding
from components.manifest import Manifest, Tree, secret_of
from components.model import Model, SecretRef

_WAYS = ("email", "slack", "webhook")


class EmailSettings(Model):
    """Mail through a server of yours."""

    to: tuple[MailAddress, ...]
    """Who gets it."""
    sender: MailAddress
    """Whom it comes from."""
    server: HostPort
    """Mail server. Its port is 587 when it names none; on 465 the connection is encrypted from its start."""
    require_tls: Switch = True
    """Whether mail is kept back from a server that does not encrypt."""
    username: Text | None = None
    """Name to log in with. Default: the server asks for none."""
    password: SecretRef | None = None
    """Secret that holds the password."""


class SlackSettings(Model):
    """A message in Slack, or in what speaks like it."""

    url: SecretRef
    """Secret that holds the URL of the incoming webhook."""
    channel: Text | None = None
    """Channel or user. Default: the one that the webhook was made for."""


class WebhookSettings(Model):
    """A request to a program of yours, with the alerts as JSON."""

    url: SecretRef
    """Secret that holds its URL."""


class ReceiverSettings(Model):
    """Someone who is told of alerts, by exactly one of `email`, `slack` and `webhook`."""

    severities: tuple[Literal["critical", "warning", "info"], ...] = ("critical", "warning")
    """Of which alerts, by how severe they are."""
    email: EmailSettings | None = None
    """By mail."""
    slack: SlackSettings | None = None
    """In Slack."""
    webhook: WebhookSettings | None = None
    """By a request."""


def secret(name: str, receiver: ReceiverSettings, namespace: str) -> Iterator[Manifest]:
    """Yield what is not to be read in the receiver's own object, where there is any."""
    email, called = receiver.email, receiver.slack or receiver.webhook
    data = {"url": called.url} if called else {"password": email.password} if email and email.password else {}
    if data:
        metadata = {"name": _secret(name), "namespace": namespace}
        yield secret_of(metadata, data)


def receiver(name: str, given: ReceiverSettings, namespace: str) -> Manifest:
    """One receiver and the way to it; each gets every alert of its severities, whoever else gets it too."""
    route = {
        "receiver": name,
        "matchers": [{"name": "severity", "matchType": "=~", "value": "|".join(given.severities)}],
        "groupBy": ["alertname", "namespace"],
        "groupWait": "30s",
        "groupInterval": "5m",
        "repeatInterval": "12h",
    }
    spec = {"route": route, "receivers": [{"name": name, **_way(name, given)}]}
    metadata = {"name": name, "namespace": namespace}
    kind = {"apiVersion": "monitoring.coreos.com/v1alpha1", "kind": "AlertmanagerConfig"}
    return {**kind, "metadata": metadata, "spec": spec}


def _way(name: str, given: ReceiverSettings) -> dict[str, Tree]:
    url = {"name": _secret(name), "key": "url"}
    if given.email:
        return {"emailConfigs": [_email(name, given.email)]}
    if given.slack:
        channel = {"channel": given.slack.channel} if given.slack.channel else {}
        return {"slackConfigs": [{"apiURL": url, "sendResolved": True, **channel}]}
    return {"webhookConfigs": [{"urlSecret": url, "sendResolved": True}]}


def _email(name: str, email: EmailSettings) -> dict[str, Tree]:
    with_port = ":" in email.server.rpartition("]")[2]
    login: dict[str, Tree] = {}
    if email.username:
        login = {"authUsername": email.username, "authPassword": {"name": _secret(name), "key": "password"}}
    return {
        "to": ", ".join(email.to),
        "from": email.sender,
        "smarthost": email.server if with_port else f"{email.server}:587",
        "requireTLS": email.require_tls,
        "sendResolved": True,
        **login,
    }


def _secret(name: str) -> str:
    return f"receiver-{name}"


def problems(given: Mapping[str, ReceiverSettings]) -> Iterator[Finding]:
    """Yield what is wrong with receivers."""
    for name, each in given.items():
        if [getattr(each, way) is not None for way in _WAYS].count(True) != 1:
            yield ("receivers", name), "needs exactly one of email, slack and webhook", "add one, or keep one of them"
        if not each.severities:
            yield ("receivers", name, "severities"), "names none, so no alert is sent", "name one, or leave it out"
        if each.email:
            yield from _email_problems(name, each.email)


def _email_problems(name: str, email: EmailSettings) -> Iterator[Finding]:
    place = ("receivers", name, "email")
    if not email.to:
        yield (*place, "to"), "names nobody", "add a mail address"
    if (email.username is None) is not (email.password is None):
        yield place, "has one of username and password without the other", "give both, or neither"
