"""What every case renders to, in files that are reviewed: `python -m tests.contracts.snapshots` writes them anew."""

from pathlib import Path

import yaml

from tests.contracts.cases import CASES, Case

FOLDER = Path(__file__).parent / "snapshots"


def text(case: Case) -> str:
    """The snapshot of a case."""
    return yaml.dump(case.rendered, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


def file(case: Case) -> Path:
    return FOLDER / f"{case.name}.yaml"


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


def main() -> None:
    """Write all snapshots, and remove those that have no case."""
    FOLDER.mkdir(exist_ok=True)
    for old in set(FOLDER.glob("*.yaml")) - {file(case) for case in CASES}:
        old.unlink()
    for case in CASES:
        file(case).write_text(text(case))


if __name__ == "__main__":
    main()
