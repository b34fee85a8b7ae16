"""Cases: settings of a layer on a lab. `cases/<key>-<name>.yaml` has `lab` (a file of `tests/settings/valid`), the
layer's `settings`, and where they matter, `cluster` (changes to the lab's), `beside` (what else stands in the
platform) and `monitored` (as if there were a layer that reads ServiceMonitors).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from components.kubernetes.manifest import BcryptHash, DerivedPassword, SecretTemplate
from components.platform.layer import CatalogEntry, Layer
from components.settings.model import Model, SecretRef
from stacks import stackfile
from stacks.catalog import LAYERS
from stacks.settings import LabStack
from tests.support.settings_fixtures import ROOT

FOLDER = Path(__file__).parent / "cases"


@dataclass(frozen=True)
class Case:
    """One file of settings."""

    file: Path

    @property
    def name(self) -> str:
        return self.file.stem

    @property
    def key(self) -> str:
        return self.name.partition("-")[0]

    @property
    def entry(self) -> CatalogEntry:
        return next(entry for entry in LAYERS if entry.layer.key == self.key)

    @cached_property
    def layer(self) -> Layer[Any]:
        """The layer of these settings, after everything in them was checked."""
        given = YAML(typ="safe", pure=True).load(self.file)
        config, secrets = stackfile.read(ROOT / f"tests/settings/valid/{given.pop('lab')}.yaml")
        cluster = config["cluster"] | given.pop("cluster", {})
        platform = given.pop("beside", {}) | {self.key: given.pop("settings")}
        monitored = given.pop("monitored", False)
        assert not given, f"unknown keys in {self.file.name}: {list(given)}"
        settings = LabStack.parse(
            {"cluster": cluster, "platform": platform}, secrets | set(secrets_of(platform)), "lab"
        )
        lab = settings.platform.lab(settings.cluster)
        if monitored:
            lab = replace(lab, layers={**lab.layers, "monitoring": Model()})
        return self.entry.layer(lab.layers[self.key], lab)

    @cached_property
    def values(self) -> dict[str, dict[str, Any]]:
        """Values by chart of the catalog, with names in place of secrets.

        Nobody here has the charts that only the settings name.
        """
        further = {chart.name for chart in self.layer.further_charts(self.layer.settings)}
        return {chart: plain(values) for chart, values in self.layer.values().items() if chart not in further}

    @cached_property
    def objects(self) -> list[dict[str, Any]]:
        """All objects, with names in place of secrets."""
        return [plain(each) for each in (*self.layer.objects_before_charts(), *self.layer.objects_after_charts())]

    @cached_property
    def rendered(self) -> dict[str, Any]:
        """Everything that the layer says, as plain data."""
        before, extend = (len(each()) for each in (self.layer.objects_before_charts, self.layer.objects_after_charts))
        assert before + extend == len(self.objects)
        parts = {"before": self.objects[:before], "extend": self.objects[before:]}
        return {"values": plain(self.layer.values()), **parts, "outputs": plain(self.layer.outputs())}


def secrets_of(value: Any) -> list[str]:
    """Names of the secrets that settings refer to."""
    if isinstance(value, dict):
        own = [str(value["secret"])] if set(value) == {"secret"} else []
        return own + [name for inner in value.values() for name in secrets_of(inner)]
    return [name for inner in value for name in secrets_of(inner)] if isinstance(value, list) else []


def plain(tree: Any) -> Any:
    """Data without secrets, and with nothing in it but what YAML has."""
    if isinstance(tree, SecretRef):
        return f"secret-{tree.secret}"
    if isinstance(tree, SecretTemplate):
        return tree.template.format(*map(plain, tree.parts))
    if isinstance(tree, DerivedPassword | BcryptHash):
        return f"derived-{tree.name}" if isinstance(tree, DerivedPassword) else f"hash-of-{plain(tree.secret)}"
    if isinstance(tree, Mapping):
        return {str(key): plain(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [plain(value) for value in tree]
    assert tree is None or type(tree) in (str, int, float, bool), f"{tree!r} is no data"
    return tree


FILES = sorted(FOLDER.glob("*.yaml"))
CASES = [case for case in map(Case, FILES) if case.key in {entry.layer.key for entry in LAYERS}]
