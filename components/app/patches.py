"""Applies an app's patches to the manifests of the app's Kubernetes objects."""

from components.app.patch_settings import AppPatchSettings
from components.app.settings import AppSettings
from components.kubernetes.manifest import Manifest
from components.kubernetes.strategic_merge import merge, merge_keys


def matches(patch: AppPatchSettings, kind: str, name: str) -> bool:
    """Whether a patch matches the kind and name of an object. The parameter `name` is the name of the object's Pulumi
    resource."""
    return patch.kind == kind and patch.name in (None, name)


def patched(app: AppSettings, manifest: Manifest, name: str) -> Manifest:
    """Return a manifest to which all matching patches of the app have been applied. The parameter `name` is the name of
    the object's Pulumi resource."""
    kind = manifest["kind"]
    for patch in app.patches:
        if matches(patch, kind, name):
            manifest = merge(manifest, patch.patch, merge_keys(kind))
    return manifest
