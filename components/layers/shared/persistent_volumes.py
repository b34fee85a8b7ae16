"""Query that lists a layer's PersistentVolumes. A layer cannot be disabled while the layer has PersistentVolumes."""


def volume_query(name: str) -> str:
    """Return `kubectl get` arguments that list a StorageClass's volumes.

    If kubectl gets several `-o` options, kubectl uses the last.
    """
    volumes = f'{{range.items[?(@.spec.storageClassName=="{name}")]}}'
    return f'persistentvolumes -o=jsonpath={volumes}persistentvolume/{{.metadata.name}}{{"\\n"}}{{end}}'
