"""Query that lists the PersistentVolumes of a layer. homelab refuses to disable a layer that has PersistentVolumes."""


def volume_query(name: str) -> str:
    """Return arguments for `kubectl get` that list the PersistentVolumes of a StorageClass.

    If a command has several `-o` options, kubectl uses the last option.
    """
    volumes = f'{{range.items[?(@.spec.storageClassName=="{name}")]}}'
    return f'persistentvolumes -o=jsonpath={volumes}persistentvolume/{{.metadata.name}}{{"\\n"}}{{end}}'
