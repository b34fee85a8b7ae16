"""The rehearsal's stack file: the user's own, but for what belongs to the hardware."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from components.app.config_objects import checked_htpasswd
from components.settings.certificates import issuing_ca
from rehearsal import session
from rehearsal.certificates import IssuingCa, ensure_issuing_ca
from rehearsal.derived_stackfile import SSH_SECRET_NAME, LabSettings, derive
from rehearsal.name_server import TSIG_SECRET
from stacks.settings import LabStack

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINUEb3Io/8JyA2aMqZwLeIKWUpUs3iNeveaCnloqDzAr"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINeL6g7r0Y5+e24RzrgRIil0nk8k605qCLB7JBIvLTvv"
PIN = "ab" * 32
FACTS = LabSettings(
    host_keys={"192.168.1.11": OTHER, "192.168.1.12": KEY, "192.168.1.9": OTHER},
    private_key="the lab's key",
    issuing_ca=IssuingCa("the lab's CA", "the CA's key"),
    mirror="http://192.168.1.254:8080",
    pins={"amd64": PIN, "arm64": PIN, "arm": PIN, "installer": PIN},
    chart_pins={"traefik": PIN},
)
HEAD = """\
# a comment of the user
encryptionsalt: v1:c2FsdA==:v1:bm9uY2U=:aGlkZGVu
config:
"""
SECRET = "  homelab:sshKey: {secure: v1:dGhlaXJz:Y2lwaGVydGV4dA==}\n"


def stack(tmp_path: Path, ssh: str, *, secrets: str = "", node: str = "", rest: str = "") -> Path:
    file = tmp_path / "Pulumi.lab.yaml"
    cluster = f"""\
  homelab:cluster:
    domain: lab.example.com
    api: {{vip: 192.168.1.240}}
    ssh: {ssh}
    nodes:
      - {{name: one, role: server, address: 192.168.1.11, hostKey: {KEY}{node}}}
      - {{name: two, role: agent, address: 192.168.1.12, hostKey: {KEY}}}
{rest}"""
    file.write_text(HEAD + secrets + cluster)
    return file


def written(source: Path, tmp_path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    target = tmp_path / "derived.yaml"
    missing = derive(source, FACTS).write(target)
    content = YAML(typ="safe").load(target)
    assert isinstance(content, dict)
    return content, missing


def test_the_users_file_stays_and_none_of_its_ciphertext_is_taken_over(tmp_path: Path) -> None:
    source = stack(tmp_path, "{user: pi, privateKey: {secret: sshKey}}", secrets=SECRET)
    before = source.read_bytes()
    content, missing = written(source, tmp_path)
    assert source.read_bytes() == before
    assert "secure" not in (tmp_path / "derived.yaml").read_text()
    assert "encryptionsalt" not in content
    assert missing == {"homelab:sshKey": "the lab's key"}


def test_the_labs_ca_replaces_the_users(tmp_path: Path) -> None:
    rest = "    k3s: {ca: {certificate: theirs, privateKey: {secret: caKey}}}\n"
    ca_key = SECRET.replace("sshKey", "caKey")
    content, missing = written(stack(tmp_path, "{user: pi, agent: true}", secrets=ca_key, rest=rest), tmp_path)
    ca = content["config"]["homelab:cluster"]["k3s"]["ca"]
    assert base64.b64decode(ca["certificate"]).decode() == FACTS.issuing_ca.certificate
    assert missing["homelab:caKey"] == FACTS.issuing_ca.key


def test_the_labs_ca_stays(tmp_path: Path) -> None:
    first = ensure_issuing_ca(tmp_path)
    assert issuing_ca(base64.b64encode(first.certificate.encode()).decode())
    assert first.key.startswith("-----BEGIN PRIVATE KEY-----")
    assert ensure_issuing_ca(tmp_path) == first
    assert (tmp_path / "issuing-ca.pem").stat().st_mode & 0o077 == 0


def test_the_tsig_key_is_the_one_of_the_labs_dns_server(tmp_path: Path) -> None:
    rfc2136 = "{nameserver: 192.168.1.53, tsigKeyName: acme, tsigSecret: {secret: tsig}}"
    rest = f"  homelab:platform: {{certManager: {{acme: {{email: me@example.com, rfc2136: {rfc2136}}}}}}}\n"
    _, missing = written(stack(tmp_path, "{user: pi, agent: true}", rest=rest), tmp_path)
    assert missing["homelab:tsig"] == TSIG_SECRET


def test_the_labs_registry_goes_before_mirrors(tmp_path: Path) -> None:
    mirrors = "    registries: {embedded: true, mirrors: {quay.io: {endpoints: [https://nas.lan:5000]}}}\n"
    content, _ = written(stack(tmp_path, "{user: pi, agent: true}", rest=mirrors), tmp_path)
    lab = "http://192.168.1.254:8080"
    assert content["config"]["homelab:cluster"]["registries"] == {
        "embedded": True,
        "mirrors": {"quay.io": {"endpoints": [lab, "https://nas.lan:5000"]}, "*": {"endpoints": [lab]}},
    }


def test_what_is_not_the_hardwares_stays_as_it_is(tmp_path: Path) -> None:
    source = stack(tmp_path, "{user: pi, agent: true}", rest="    maxUnavailable: 2\n")
    content, _ = written(source, tmp_path)
    mine, theirs = content["config"]["homelab:cluster"], YAML(typ="safe").load(source)["config"]["homelab:cluster"]
    changed = {"ssh", "nodes", "k3s", "registries"}
    assert {k: v for k, v in mine.items() if k not in changed} == {k: v for k, v in theirs.items() if k not in changed}
    assert [{**node, "hostKey": KEY} for node in mine["nodes"]] == theirs["nodes"]


def test_host_keys_mirror_and_pins_are_the_labs(tmp_path: Path) -> None:
    content, _ = written(stack(tmp_path, "{user: pi, agent: true}"), tmp_path)
    cluster = content["config"]["homelab:cluster"]
    assert [node["hostKey"] for node in cluster["nodes"]] == [OTHER, KEY]
    assert cluster["k3s"]["mirror"] == FACTS.mirror
    assert cluster["k3s"]["pins"] == FACTS.pins


@pytest.mark.parametrize("pins", [{}, {"loki": "d" * 64}])
def test_charts_are_the_labs_with_its_pins_over_those_of_the_user(tmp_path: Path, pins: dict[str, str]) -> None:
    mine = {"traefik": {}, **({"pins": {"traefik": "c" * 64, **pins}} if pins else {})}
    source = stack(tmp_path, "{user: pi, agent: true}", rest=f"  homelab:platform: {json.dumps(mine)}\n")
    platform = written(source, tmp_path)[0]["config"]["homelab:platform"]
    assert platform["chartMirror"] == f"{FACTS.mirror}/charts"
    assert platform["pins"] == {**pins, **FACTS.chart_pins}


@pytest.mark.parametrize("node", ["", ", ssh: {agent: true}"])
def test_an_agent_becomes_the_labs_key(tmp_path: Path, node: str) -> None:
    content, missing = written(stack(tmp_path, "{user: pi, agent: true}", node=node), tmp_path)
    cluster = content["config"]["homelab:cluster"]
    for ssh in [cluster["ssh"], *(each["ssh"] for each in cluster["nodes"] if "ssh" in each)]:
        assert ssh["agent"] is False
        assert ssh["privateKey"] == {"secret": SSH_SECRET_NAME}
    assert missing == {f"homelab:{SSH_SECRET_NAME}": "the lab's key"}


def test_a_bastion_in_the_lan_gets_its_machines_key_another_is_left_out(tmp_path: Path) -> None:
    bastion = "{user: pi, agent: true, bastion: {address: %s, user: jump, hostKey: " + KEY + "}}"
    content, _ = written(stack(tmp_path, bastion % "192.168.1.9"), tmp_path)
    assert content["config"]["homelab:cluster"]["ssh"]["bastion"]["hostKey"] == OTHER
    derived = derive(stack(tmp_path, bastion % "jump.example.com"), FACTS)
    assert derived.document["config"]["homelab:cluster"]["ssh"]["bastion"] is None
    assert any("jump.example.com" in each.setting for each in derived.replacements)


def test_ciphertexts_of_an_earlier_rehearsal_stay(tmp_path: Path) -> None:
    source = stack(tmp_path, "{user: pi, privateKey: {secret: sshKey}}", secrets=SECRET)
    target = tmp_path / "derived.yaml"
    target.write_text("encryptionsalt: ours\nconfig:\n  homelab:sshKey: {secure: ours}\n")
    assert derive(source, FACTS).write(target) == {}
    content = YAML(typ="safe").load(target)
    assert content["encryptionsalt"] == "ours"
    assert content["config"]["homelab:sshKey"] == {"secure": "ours"}


def test_a_secret_of_another_namespace_becomes_a_placeholder(tmp_path: Path) -> None:
    secrets = "  aws:secretKey: {secure: v1:x:y}\n  other:thing: {deep: [{secure: v1:x:y}]}\n"
    content, missing = written(stack(tmp_path, "{user: pi, agent: true}", secrets=secrets), tmp_path)
    assert missing["aws:secretKey"] == "rehearsal-secretKey"
    assert content["config"]["other:thing"] == {"deep": ["rehearsal"]}


def test_the_result_is_a_valid_stack_file(tmp_path: Path) -> None:
    derived = derive(stack(tmp_path, "{user: pi, agent: true}"), FACTS)
    folder = tmp_path / "project"
    folder.mkdir()
    for name in derived.write(folder / "Pulumi.lab.yaml"):
        derived.document["config"][name] = {"secure": "v1:x:y"}
    YAML().dump(derived.document, folder / "Pulumi.lab.yaml")
    cluster = LabStack.read(folder / "Pulumi.lab.yaml").cluster
    assert cluster.k3s.mirror == FACTS.mirror
    assert cluster.ssh.private_key is not None
    assert cluster.ssh.private_key.secret == SSH_SECRET_NAME


def test_an_app_is_rehearsed_on_its_platform_however_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PROJECT", tmp_path)
    for name, platform in (("a", "homelab"), ("b", "acme/homelab/homelab"), ("c", "acme/homelab/other")):
        app = f"config: {{homelab:app: {{platform: {platform}, image: 'shop:1'}}}}"
        (tmp_path / f"Pulumi.{name}.yaml").write_text(app)
        apps = f"config: {{homelab:apps: {{platform: {platform}, shop: {{image: 'shop:1'}}}}}}"
        (tmp_path / f"Pulumi.{name}s.yaml").write_text(apps)
    found = session.apps_on("homelab")
    assert [each.name for each in found] == [f"Pulumi.{name}.yaml" for name in ("a", "as", "b", "bs")]
    for file in found:
        (section,) = written(file, tmp_path)[0]["config"].values()
        assert section["platform"] == "homelab"


def test_key_to_repositories_is_the_lab_s_own(tmp_path: Path) -> None:
    platform = (
        "  homelab:platform: {argocd: {repositories: {apps: {url: git@x:y, sshKey: {secret: appsKey}}, a: {}}}}\n"
    )
    secrets = f"  homelab:appsKey: {{secure: v1:x:y}}\n{platform}"
    _, missing = written(stack(tmp_path, "{user: pi, agent: true}", secrets=secrets), tmp_path)
    assert missing["homelab:appsKey"] == FACTS.private_key


def test_an_htpasswd_file_is_one_that_traefik_reads(tmp_path: Path) -> None:
    source = tmp_path / "Pulumi.web.yaml"
    source.write_text(
        HEAD + "  homelab:app:\n    platform: lab\n    image: web:1\n    hosts: [web]\n"
        "    ingress: {basicAuth: {htpasswd: {secret: users}}}\n  homelab:users: {secure: v1:dGhl:Y2l}\n"
    )
    _, missing = written(source, tmp_path)
    assert missing == {"homelab:users": "rehearsal:{SHA}1ss7oyNWfIDRKWfQbB4uF5VgA0Q="}
    assert checked_htpasswd("homelab:app", missing["homelab:users"]) == missing["homelab:users"]
