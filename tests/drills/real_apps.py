"""The settings of six apps for the drill of real apps: four samples, a page with a CronJob, and Debian's nginx."""

from typing import Any

import yaml

from tests.drills.real_app_images import BUSYBOX, NGINX
from tests.support.settings_fixtures import ROOT

TRAEFIK, DNS, MQTT = "10.9.0.200", "10.9.0.210", "10.9.0.211"
LAN = "10.9.0.0/24"
PLATFORM: dict[str, Any] = {
    "metallb": {"addresses": ["10.9.0.200-10.9.0.220"]},
    "certManager": {},
    "traefik": {"address": TRAEFIK},
    "longhorn": {},
    "cloudnativePg": {},
    "monitoring": {},
    "coredns": {"zones": {"lab.test": {"wildcard": [TRAEFIK]}}},
}
ADMIN = "admin:rehearsal-minifluxAdmin"
"""User and password of Miniflux; a rehearsal's value of the secret `minifluxAdmin`."""
GATUS = """
metrics: true
endpoints:
  - name: host
    url: https://rss.lab.test/healthcheck
    interval: 5s
    client: {insecure: true}
    conditions: ["[STATUS] == 200"]
  - name: service
    url: http://miniflux.miniflux/healthcheck
    interval: 5s
    conditions: ["[STATUS] == 200"]
  - name: resolver
    url: adguard-home.adguard-home
    interval: 5s
    dns: {query-name: nas.home, query-type: A}
    conditions: ["[BODY] == 10.9.0.99", "[DNS_RCODE] == NOERROR"]
"""
CLOCK: dict[str, Any] = {
    "image": BUSYBOX,
    "command": ["httpd", "-f", "-p", "8080", "-h", "/www"],
    "hosts": ["clock"],
    "probes": {"readiness": {"path": "/beat.txt"}},
    "memory": "16Mi",
    "volumes": {"www": {"path": "/www", "size": "16Mi"}},
    "sidecars": {"beat": {"command": ["sh", "-c", "while date -u +%s > /www/beat.txt; do sleep 1; done"]}},
    "cron": {
        "clock": {
            "schedule": "* * * * *",
            "command": ["sh", "-c", "date -u +%s > /www/now.tmp && mv /www/now.tmp /www/now.txt"],
            "volumes": ["www"],
        }
    },
}
WELCOME: dict[str, Any] = {
    "image": NGINX,
    "port": 80,
    "hosts": ["welcome"],
    "replicas": 2,
    "probes": {"readiness": {"path": "/"}},
    "memory": "32Mi",
    "user": 0,
    "capabilities": ["CHOWN", "SETGID", "SETUID"],
    "writableRoot": True,
}
"""nginx as Debian starts it: its master process runs as root, and writes its log into the root file system."""


def sample(name: str, **changes: Any) -> dict[str, Any]:
    """Return the app of a sample's stack file with changed settings, without its platform."""
    app = yaml.safe_load((ROOT / f"samples/apps/Pulumi.{name}.yaml").read_text())["config"]["homelab:app"]
    stores_data = {"discard": True} if {"volumes", "postgres"} & set(app) else {}
    return {key: value for key, value in {**app, **stores_data, **changes}.items() if key != "platform"}


def apps(**miniflux: Any) -> dict[str, Any]:
    postgres = {"size": "1Gi", "instances": 1, "memory": "256Mi"}
    status_page = {"/config/config.yaml": GATUS}
    probed = [{"namespace": name} for name in ("traefik", "miniflux", "adguard-home")]
    return {
        "platform": "real",
        "miniflux": sample("miniflux", postgres=postgres, allow={"internet": True, "from": ["gatus"]}, **miniflux),
        "adguard-home": sample(
            "adguard-home", loadBalancer={"address": DNS, "from": [LAN]}, allow={"internet": True, "from": ["gatus"]}
        ),
        "mosquitto": sample("mosquitto", loadBalancer={"address": MQTT}),
        "gatus": sample("gatus", files=status_page, allow={"to": probed}),
        "clock": CLOCK | {"discard": True},
        "welcome": WELCOME,
    }
