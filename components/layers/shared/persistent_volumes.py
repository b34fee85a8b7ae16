"""PersistentVolumes as user data of a layer, which then cannot be disabled."""


def volume_query(name: str) -> str:
    """Return `kubectl get` arguments that list the volumes of a StorageClass. kubectl uses the last `-o` option."""
    volumes = f'{{range.items[?(@.spec.storageClassName=="{name}")]}}'
    return f'persistentvolumes -o=jsonpath={volumes}persistentvolume/{{.metadata.name}}{{"\\n"}}{{end}}'
