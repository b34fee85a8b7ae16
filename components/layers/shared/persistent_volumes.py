"""Query that lists a layer's PersistentVolumes. A layer with PersistentVolumes cannot be disabled."""


def volume_query(name: str) -> str:
    """Return `kubectl get` arguments that list a StorageClass's volumes. kubectl uses the last `-o` option."""
    volumes = f'{{range.items[?(@.spec.storageClassName=="{name}")]}}'
    return f'persistentvolumes -o=jsonpath={volumes}persistentvolume/{{.metadata.name}}{{"\\n"}}{{end}}'
