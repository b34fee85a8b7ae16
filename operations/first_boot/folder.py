"""The folder with cloud-init's files. The files contain a private SSH host key, so only their owner may read them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from operations import files
from operations.pulumi_stack import StackError

USER_DATA, META_DATA, NETWORK_CONFIG, VOLUME = "user-data", "meta-data", "network-config", "seed.iso"
FOLDER_MODE, FILE_MODE = 0o700, 0o600
_IGNORE = ".gitignore"
_OWN = (USER_DATA, VOLUME, META_DATA, NETWORK_CONFIG, _IGNORE)


def require_usable(folder: Path) -> bool:
    """Return whether the folder has files of an earlier run. Raises `StackError` if it has other files."""
    if folder.exists() and not folder.is_dir():
        raise StackError(f"{folder} is a file. Choose a folder with --output.")
    if not folder.exists():
        return False
    present = {path.name for path in folder.iterdir()}
    if others := sorted(present - set(_OWN) - {path.name for path in _unfinished(folder)}):
        raise StackError(
            f"{folder} contains other files, such as {others[0]}. Choose a new folder with --output, and then copy the "
            "files."
        )
    return bool(present)


@contextmanager
def written(folder: Path, texts: Mapping[str, str]) -> Iterator[None]:
    """Replace the files in the folder for the `with` block; delete the files if the block fails.

    cloud-init ignores a folder without `user-data`. So `user-data` is deleted first and written last, and whenever the
    run is killed, the folder is either complete or has no effect.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        folder.chmod(FOLDER_MODE)
        clear(folder)
        files.replace(folder / _IGNORE, "*\n", FILE_MODE)
        for name in sorted(texts, key=lambda name: name == USER_DATA):
            files.replace(folder / name, texts[name], FILE_MODE)
        yield
    except BaseException as error:
        if folder.is_dir():
            clear(folder)
            with suppress(OSError):  # the folder may be a mount point
                folder.rmdir()
        if isinstance(error, OSError):
            raise StackError(f"The files could not be written: {error}. The stack file has not changed.") from error
        raise


def clear(folder: Path) -> None:
    """Delete the files of an earlier run."""
    for path in (*(folder / name for name in _OWN), *_unfinished(folder)):
        path.unlink(missing_ok=True)


def _unfinished(folder: Path) -> list[Path]:
    """Return the temporary files that a killed run left."""
    return [path for name in _OWN for path in folder.glob(f".{name}.*")]
