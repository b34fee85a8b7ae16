"""Application of an app's patches to the app's Kubernetes objects."""

from components.app.patch_settings import AppPatchSettings
from components.app.settings import AppSettings
from components.kubernetes.manifest import Manifest
from components.kubernetes.strategic_merge import merge, merge_keys


def matches(patch: AppPatchSettings, kind: str, name: str) -> bool:
    """Whether a patch applies to an object. `name` is the name of the object's Pulumi resource."""
    return patch.kind == kind and patch.name in (None, name)


def patched(app: AppSettings, manifest: Manifest, name: str) -> Manifest:
    """Return a manifest with all patches of the app that match. `name` is the name of the object's Pulumi resource."""
    kind = manifest["kind"]
    for patch in app.patches:
        if matches(patch, kind, name):
            manifest = merge(manifest, patch.patch, merge_keys(kind))
    return manifest
