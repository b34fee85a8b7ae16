"""Query that lists the PersistentVolumes of a layer. homelab refuses to disable a layer that has PersistentVolumes."""


def volume_query(name: str) -> str:
    """Return arguments for `kubectl get` that list the PersistentVolumes of a StorageClass.

    The option `-o` in the arguments overrides an earlier `-o` in the command line, because kubectl uses the last one.
    """
    return _query("storageClassName", name)


def driver_query(name: str) -> str:
    """Return arguments for `kubectl get` that list the PersistentVolumes of a CSI driver, as `volume_query` does."""
    return _query("csi.driver", name)


def _query(field: str, value: str) -> str:
    volumes = f'{{range.items[?(@.spec.{field}=="{value}")]}}'
    return f'persistentvolumes -o=jsonpath={volumes}persistentvolume/{{.metadata.name}}{{"\\n"}}{{end}}'
