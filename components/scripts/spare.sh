# shellcheck shell=bash
# On a server that stays, before anything is changed: refuses to remove nodes together if that would cost etcd its quorum,
# or volumes that no other machine has.
# GOING (servers) NODES (of any role) FLAGS

main() {
  command -v k3s >/dev/null && wait_for 20 serving || return 0
  local reason node ready
  # shellcheck disable=SC2086 # a list of names
  reason=$(unsafe_without $GOING)
  [ -z "$GOING" ] || [ -z "$reason" ] || die "Without $GOING etcd would have no quorum; no changes were made: $reason." \
    "Bring the others back first (kubectl get nodes), then remove $GOING."
  for node in $NODES; do
    exists "$node" || continue
    ready=$(status "$node") || die "The API on $(hostname) does not say whether $node is Ready; no changes were made."
    # shellcheck disable=SC2086 # a list of names
    if [ "$ready" = True ]; then check_volumes "$node" $NODES; fi
  done
}
main </dev/null
