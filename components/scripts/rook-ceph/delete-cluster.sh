# shellcheck shell=bash
# On a server: delete the Ceph cluster before Rook's operator, which has to remove it. The disks are not wiped.
# NAMESPACE RETIRED (yes: the whole lab is destroyed)

# Rook deletes an object only after all objects that depend on it, so all kinds are deleted together
kinds=cephfilesystemsubvolumegroups,cephblockpoolradosnamespaces,cephobjectstores,cephfilesystems,cephblockpools,cephclusters

remaining() { list_objects $kinds -n "$NAMESPACE" || true; }
removed() { [ -z "$(remaining)" ]; }

# everything: print all objects of Ceph that may block the deletion of the namespace.
everything() {
  local kinds
  kinds=$(kube get crds -o name | sed -n -E 's,.*/(.*\.ceph\.rook\.io|clientprofiles\.csi\.ceph\.io)$,\1,p') || return
  [ -z "$kinds" ] || kube get "$(paste -sd, <<<"$kinds")" -n "$NAMESPACE" -o name || return
  kube get secret/rook-ceph-mon configmap/rook-ceph-mon-endpoints -n "$NAMESPACE" --ignore-not-found -o name
}

# let_go: delete all objects without their finalizers, with which Rook protects data; succeed when none remains.
let_go() {
  local objects object
  objects=$(everything) || return
  for object in $objects; do
    kube delete "$object" -n "$NAMESPACE" --wait=false || true
    remove_finalizers "$NAMESPACE" "$object" || true
  done
  [ -z "$objects" ]
}

main() {
  command -v k3s >/dev/null || return 0
  wait_for 120 api_ready || die_api_unavailable "The API on $(hostname) does not answer within 120 s, so Ceph was not removed." "$(journal k3s)"
  if [ "${RETIRED:-}" = yes ]; then
    say "deleting Ceph's objects; the disks are not wiped"
    wait_for 120 let_go || die "These objects of Ceph still exist after 120 s; delete them, or run \`pulumi destroy\` again:" "$(everything 2>&1)"
    return
  fi
  if removed; then return; fi
  say "removing Ceph; the disks are not wiped"
  local output
  output=$(kube delete $kinds --all -n "$NAMESPACE" --wait=false 2>&1) || die "Ceph could not be removed:" "$output"
  wait_for 600 removed || die "These objects of Ceph still exist after 600 s; Rook's operator stays until they are deleted:" "$(remaining)" \
    "$(kube logs -n "$NAMESPACE" deployment/rook-ceph-operator --tail=8 2>&1 || true)" \
    "Data in a pool block its deletion, even with \`discard\`: delete the data, then run \`pulumi up\` again."
}
main </dev/null
