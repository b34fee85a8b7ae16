# shellcheck shell=bash
# On a server: Ceph's cluster goes before the operator that takes it apart. What is on the disks stays there.
# NAMESPACE

# Ceph's cluster waits for its stores, and those for what Rook divides them into
kinds=cephfilesystemsubvolumegroups,cephblockpoolradosnamespaces,cephobjectstores,cephfilesystems,cephblockpools,cephclusters

left() {
  local said
  said=$(kube get $kinds -n "$NAMESPACE" -o name 2>&1) || {
    grep -qE "doesn't have a resource type|no matches for kind" <<<"$said" && return
  }
  echo "$said"
}
gone() { [ -z "$(left)" ]; }

# Where the whole lab goes, nothing waits for what is still in the pools.
give_up() {
  local each
  for each in $(left); do
    kube patch "$each" -n "$NAMESPACE" --type=merge -p '{"metadata": {"finalizers": null}}' >/dev/null 2>&1 || true
  done
}

main() {
  command -v k3s >/dev/null || return 0
  wait_for 120 serving || die "The API on $(hostname) does not answer, so Ceph was not taken apart." "$(journal k3s)"
  if gone; then return; fi
  say "taking Ceph apart; the disks are not wiped"
  local said
  said=$(kube delete $kinds --all -n "$NAMESPACE" --wait=false 2>&1) || die "Ceph was not taken apart:" "$said"
  if [ -e $state/retired ]; then give_up; fi
  wait_for 600 gone || die "Ceph is not gone after 600 s; its operator stays until it is:" "$(left)" \
    "$(kube logs -n "$NAMESPACE" deployment/rook-ceph-operator --tail=8 2>&1 || true)" \
    "What is still in its pools keeps them, \`discard\` or not: delete it, then run it again."
}
main </dev/null
