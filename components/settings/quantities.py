"""Conversion of byte quantities of Kubernetes, such as `10Gi`."""

_MEBIBYTES = {"Ki": 1 / 1024, "Mi": 1, "Gi": 1024, "Ti": 1024**2, "Pi": 1024**3}


def mebibytes(size: str) -> int:
    """Convert a byte quantity of Kubernetes, such as `10Gi`, to MiB."""
    return int(int(size[:-2]) * _MEBIBYTES[size[-2:]])
