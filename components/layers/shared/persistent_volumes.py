"""Query that lists the PersistentVolumes of a layer. homelab refuses to disable a layer that has PersistentVolumes."""


def volume_query(name: str) -> str:
    """Return arguments for `kubectl get` that list the PersistentVolumes of a StorageClass.

    The option `-o` in the arguments overrides an earlier `-o` in the command line, because kubectl uses the last one.
    """
    volumes = f'{{range.items[?(@.spec.storageClassName=="{name}")]}}'
    return f'persistentvolumes -o=jsonpath={volumes}persistentvolume/{{.metadata.name}}{{"\\n"}}{{end}}'
