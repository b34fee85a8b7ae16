# shellcheck shell=bash
# On a server that stays: does not let GOING be taken out together if that would cost etcd its majority.
# GOING

main() {
  command -v k3s >/dev/null && wait_for 20 serving || return 0
  local reason
  # shellcheck disable=SC2086 # a list of names
  reason=$(unsafe_without $GOING)
  [ -z "$reason" ] || die "Without $GOING etcd would have no majority; nothing was touched: $reason." \
    "Bring the others back first (kubectl get nodes), then remove $GOING."
}
main </dev/null
