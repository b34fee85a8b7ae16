# shellcheck shell=bash
# On a server: Ceph's cluster goes before the operator that takes it apart. What is on the disks stays there.
# NAMESPACE RETIRED (yes: the whole lab goes)

# Rook lets nothing go while what depends on it is there
kinds=cephfilesystemsubvolumegroups,cephblockpoolradosnamespaces,cephobjectstores,cephfilesystems,cephblockpools,cephclusters

left() { found $kinds -n "$NAMESPACE" || true; }
gone() { [ -z "$(left)" ]; }

# everything: whatever of Ceph may hold the namespace.
everything() {
  local kinds
  kinds=$(kube get crds -o name | sed -n -E 's,.*/(.*\.ceph\.rook\.io|clientprofiles\.csi\.ceph\.io)$,\1,p') || return
  [ -z "$kinds" ] || kube get "$(paste -sd, <<<"$kinds")" -n "$NAMESPACE" -o name || return
  kube get secret/rook-ceph-mon configmap/rook-ceph-mon-endpoints -n "$NAMESPACE" --ignore-not-found -o name
}

# let_go: nothing waits for Rook, which does not let go what holds data; succeeds when nothing is left.
let_go() {
  local all each
  all=$(everything) || return
  for each in $all; do
    kube delete "$each" -n "$NAMESPACE" --wait=false || true
    unbind "$NAMESPACE" "$each" || true
  done
  [ -z "$all" ]
}

main() {
  command -v k3s >/dev/null || return 0
  wait_for 120 serving || api_away "The API on $(hostname) does not answer, so Ceph was not taken apart." "$(journal k3s)"
  if [ "${RETIRED:-}" = yes ]; then
    say "letting Ceph go with the lab; the disks are not wiped"
    wait_for 120 let_go || die "Of Ceph this is still there:" "$(everything 2>&1)"
    return
  fi
  if gone; then return; fi
  say "taking Ceph apart; the disks are not wiped"
  local said
  said=$(kube delete $kinds --all -n "$NAMESPACE" --wait=false 2>&1) || die "Ceph was not taken apart:" "$said"
  wait_for 600 gone || die "Ceph is not gone after 600 s; its operator stays until it is:" "$(left)" \
    "$(kube logs -n "$NAMESPACE" deployment/rook-ceph-operator --tail=8 2>&1 || true)" \
    "What is still in its pools keeps them, \`discard\` or not: delete it, then run it again."
}
main </dev/null
