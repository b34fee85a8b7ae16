# shellcheck shell=bash
# On the restored server: delete the node passwords of the other machines, so that they can register again.
# NODES

main() {
  wait_for_api
  local node
  for node in $NODES; do
    kube delete secret -n kube-system --ignore-not-found "$node.node-password.k3s" >/dev/null
  done
}
main </dev/null
