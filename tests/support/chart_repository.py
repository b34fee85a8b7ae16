"""A Helm repository with one chart, and archives of charts."""

import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from provider.charts.contents import crds
from provider.errors import TaskError
from provider.model import Chart


def crd(name: str) -> str:
    kind = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    return yaml.safe_dump(kind | {"metadata": {"name": name}})


CHART_FILES = {"web/Chart.yaml": "name: web", "web/crds/a.yaml": crd("as.lab"), "web/templates/pod.yaml": "kind: Pod"}


def pack_chart(files: Mapping[str, str], link: str = "") -> bytes:
    """Pack a chart's archive; `link` is the path of a symbolic link in it."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
        if link:
            member = tarfile.TarInfo(link)
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(member)
    return content.getvalue()


class Repository:
    """A Helm repository with one chart, which tests can replace."""

    def __init__(self, url: str, root: Path) -> None:
        self.url, self.root = url, root
        self.publish(pack_chart(CHART_FILES))

    def publish(self, archive: bytes, *versions: str, **changes: Any) -> None:
        release = {"urls": ["web-1.10.tgz"], "digest": hashlib.sha256(archive).hexdigest()} | changes
        (self.root / "web-1.10.tgz").write_bytes(archive)
        entries = {"web": [release | {"version": version} for version in versions or ("1.9", "1.10")]}
        self.index({"apiVersion": "v1", "entries": entries})

    def index(self, content: object) -> None:
        (self.root / "index.yaml").write_text(yaml.safe_dump(content).replace("'1.10'", "1.10"))

    def crds(self, version: str = "1.10", name: str = "web") -> list[str]:
        text = crds(Chart(name=name, version=version, repository=self.url))
        return [document["metadata"]["name"] for document in yaml.safe_load_all(text) if document]

    def failure(self, version: str = "1.10", name: str = "web") -> str:
        with pytest.raises(TaskError) as caught:
            self.crds(version, name)
        assert caught.value.__cause__ is None or str(caught.value.__cause__)
        return str(caught.value)
