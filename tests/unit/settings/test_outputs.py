"""The contract between the homelab stack and app stacks: what one exports, the other reads."""

import gc
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pulumi
import pytest

from components.app.platform_outputs import OutputName
from components.settings.model import camel_case
from stacks.catalog import LAYERS
from stacks.outputs import PlatformOutputs
from stacks.version import VERSION
from tests.contracts.cases import CASES, Case
from tests.support.app_stacks import OUTPUTS, outputs_without, run_on_platform
from tests.support.envelopes import is_sealed, unsealed
from tests.support.recorder import Recording, config_of, generated, record
from tests.support.settings_fixtures import ROOT

FIELDS = {camel_case(field.name): field.metadata for field in fields(PlatformOutputs)}
RECORDED = record(config_of(ROOT / "tests/settings/valid/three-servers.yaml")).stack_outputs
STACK_OUTPUTS = {name: value for name, value in RECORDED.items() if name != "kubeconfig"}
# coroutines that a failed program leaves behind
FAILS = pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")


def read_all(outputs: dict[str, Any]) -> Recording:
    """Run an app stack's program that exports all it read."""

    def program() -> None:
        PlatformOutputs.of_stack(pulumi.StackReference("organization/homelab/lab")).export()

    return run_on_platform(program, {}, "app", outputs)


@pytest.mark.parametrize("outputs", [STACK_OUTPUTS, OUTPUTS], ids=["cluster", "platform"])
def test_app_stack_reads_what_homelab_exports(outputs: dict[str, Any]) -> None:
    seen = read_all(outputs).stack_outputs
    assert unsealed(seen) == unsealed(outputs)
    assert {name for name, value in seen.items() if is_sealed(value)} == {
        name for name, value in outputs.items() if is_sealed(value)
    }


def test_a_cluster_alone_exports_what_needs_no_layer() -> None:
    local = {
        "storageClass",
        "storageClasses",
        "databaseStorageClass",
        "sharedStorageClasses",
        "issuers",
        "wildcardIssuers",
        "secretStores",
        "loadBalancerAddresses",
        "nfsClient",
        "podSecurityLevels",
        "gpuResources",
        "clusterReaders",
    }
    assert STACK_OUTPUTS.keys() == {name for name, meta in FIELDS.items() if not meta["layer"]} | local


def test_secret_outputs_are_known_as_such() -> None:
    """When they come as a secret of the app's own, what is none of them must not become one."""
    assert {name for name, meta in FIELDS.items() if meta["secret"]} == {
        name for name, value in OUTPUTS.items() if is_sealed(value)
    }


def test_every_field_is_an_output_of_a_whole_platform() -> None:
    assert OUTPUTS.keys() == FIELDS.keys()


def test_administrators_kubeconfig_is_a_secret_output_that_no_app_reads() -> None:
    assert is_sealed(RECORDED["kubeconfig"])
    assert generated("certificate-admin") in unsealed(RECORDED["kubeconfig"])
    assert "kubeconfig" not in FIELDS
    assert generated("certificate-apps") in unsealed(RECORDED["appKubeconfig"])


def test_the_server_token_is_no_output_at_all() -> None:
    given = {name for name, value in RECORDED.items() if generated("cluster-token") in str(unsealed(value))}
    assert not given


def test_values_of_the_outputs() -> None:
    seen = unsealed(STACK_OUTPUTS)
    assert (seen["name"], seen["domain"]) == ("lab", "lab.example.com")
    assert seen["endpoint"] == "https://10.0.0.240:6443"
    assert seen["nodes"][0] == {
        "name": "a", "role": "server", "address": "10.0.0.11", "labels": {}, "taints": [],
    }  # fmt: skip
    assert seen["clusterNetworks"] == ["10.42.0.0/16", "10.43.0.0/16"]
    assert (seen["version"], seen["storageClasses"], seen["monitoring"]) == (VERSION, ["local-path"], False)


def test_every_field_says_which_version_and_which_layer_of_the_catalog_brings_it() -> None:
    numbers = [tuple(map(int, each["since"].split("."))) for each in FIELDS.values()]
    assert max(numbers) <= tuple(map(int, VERSION.split(".")))
    given = {each["layer"] for each in FIELDS.values() if not each["layer"].startswith("cluster.apps.")}
    assert given - {"", "objectStore"} <= {entry.layer.key for entry in LAYERS}
    assert set(get_args(OutputName)) <= {field.name for field in fields(PlatformOutputs)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_layer_gives_the_outputs_that_are_its_own_and_adds_to_lists(case: Case) -> None:
    own = {field.name for field in fields(PlatformOutputs) if field.metadata["layer"] == case.key}
    assert {name for name, value in case.layer.outputs().items() if not isinstance(value, list)} <= own


@FAILS
@pytest.mark.parametrize("name", sorted(FIELDS))
def test_output_that_an_older_platform_lacks_is_named_with_the_version_that_brings_it(name: str) -> None:
    outputs = outputs_without(name) | ({} if name == "version" else {"version": "0.0.9"})
    since = FIELDS[name]["since"]
    text = (
        f"has no output {name}, which needs homelab {since} or newer; "
        "the platform was deployed by .*run `pulumi up` on that stack"
    )
    with pytest.raises(pulumi.RunError, match=f"^the platform of stack organization/homelab/lab {text}"):
        read_all(outputs)
    gc.collect()


@pytest.mark.parametrize("name", sorted(name for name, meta in FIELDS.items() if meta["layer"]))
def test_output_of_a_layer_that_is_off_is_none(name: str) -> None:
    assert name not in read_all(outputs_without(name)).stack_outputs


@FAILS
def test_a_cluster_of_the_time_before_platforms_is_too_old() -> None:
    old = outputs_without(*(name for name, meta in FIELDS.items() if meta["since"] != "0.1.0"))
    with pytest.raises(pulumi.RunError, match="the platform was deployed by a homelab older than 0\\.2\\.0"):
        read_all(old)
    gc.collect()


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("text: pulumi.Output[str] = platform.app_kubeconfig", ""),
        ("text: pulumi.Output[str] = platform.kubeconfig", '"PlatformOutputs" has no attribute "kubeconfig"'),
        ("text: pulumi.Output[str] = platform.issuer", "Incompatible types in assignment"),
        ("text: pulumi.Output[str] = platform.nodes", "Incompatible types in assignment"),
        ('RequiredOutput("isuer", "tls")', 'Argument 1 to "RequiredOutput" has incompatible type'),
        ("PlatformOutputs(kubeconfig=platform.app_kubeconfig)", 'Unexpected keyword argument "kubeconfig"'),
    ],
)
def test_a_wrong_name_of_an_output_is_found_by_mypy(line: str, error: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import pulumi\n\n"
        "from components.app.requirements import RequiredOutput\nfrom stacks.outputs import PlatformOutputs\n\n"
        f'platform = PlatformOutputs.of_stack(pulumi.StackReference("lab"))\n{line}\nprint(RequiredOutput)\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(program)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode == 0) == (not error), done.stdout
    assert error in done.stdout
