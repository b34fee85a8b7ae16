"""Persistent volumes, as a layer's guard asks for them."""


def of_class(name: str) -> str:
    """What `kubectl get` is asked to name the volumes of a class: of two `-o` it takes the last."""
    found = f'{{range.items[?(@.spec.storageClassName=="{name}")]}}'
    return f'persistentvolumes -o=jsonpath={found}persistentvolume/{{.metadata.name}}{{"\\n"}}{{end}}'
