"""A fake `kubectl` that gives the answers of a test, and records its calls, its kubeconfig and its input."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """#!/bin/sh
folder={folder}
kubeconfig=${{1#--kubeconfig=}}
cat "$kubeconfig" >"$folder/kubeconfig"
stat -c %a "$kubeconfig" >"$folder/mode"
echo "${{2#--namespace=}}" >"$folder/namespace"
shift 2
echo "$*" >>"$folder/calls"
case "$*" in *--filename=-*) cat >"$folder/stdin" ;; esac
for answer in "$folder"/answers/*; do
  read -r pattern <"$answer/match"
  case "$*" in
    $pattern)
      cat "$answer/out"
      cat "$answer/err" >&2
      read -r code <"$answer/code"
      [ -e "$answer/once" ] && rm -r "$answer"
      exit "$code" ;;
  esac
done
echo "error: no answer to $*" >&2
exit 99
"""


class FakeKubectl:
    """The fake on PATH."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        (folder / "answers").mkdir(parents=True)
        program = folder / "kubectl"
        program.write_text(PROGRAM.format(folder=folder))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(folder), prepend=":")
        self._count = 0

    def answer(self, match: str, out: Any = "", *, err: str = "", code: int = 0, once: bool = False) -> None:
        """Answer calls whose arguments match a shell pattern; `out` is text, or data that becomes JSON.

        The first of several matching answers is given; an answer with `once` is given a single time.
        """
        self._count += 1
        folder = self._folder / f"answers/{self._count:03}"
        folder.mkdir()
        (folder / "match").write_text(f"{match}\n")
        (folder / "out").write_text(out if isinstance(out, str) else json.dumps(out))
        (folder / "err").write_text(err)
        (folder / "code").write_text(f"{code}\n")
        if once:
            (folder / "once").touch()

    def answer_list(self, match: str, *items: Any, once: bool = False) -> None:
        """Answer with a list of Kubernetes objects."""
        self.answer(match, {"kind": "List", "items": list(items)}, once=once)

    @property
    def calls(self) -> list[str]:
        """The arguments of each call, without kubeconfig and namespace."""
        return self._read("calls").splitlines()

    @property
    def kubeconfig(self) -> str:
        """The content of the kubeconfig of the last call."""
        return self._read("kubeconfig")

    @property
    def mode(self) -> str:
        """The file mode of the kubeconfig of the last call."""
        return self._read("mode").strip()

    @property
    def namespace(self) -> str:
        """The namespace of the last call."""
        return self._read("namespace").strip()

    @property
    def input(self) -> Any:
        """The object that the last call got on its standard input."""
        return json.loads(self._read("stdin"))

    def _read(self, name: str) -> str:
        file = self._folder / name
        return file.read_text() if file.exists() else ""
