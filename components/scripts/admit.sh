# shellcheck shell=bash
# On the restored server: lets the other machines come back under their names, whatever is left on their disks.
# NODES

main() {
  await_api
  local node
  for node in $NODES; do
    kube delete secret -n kube-system --ignore-not-found "$node.node-password.k3s" >/dev/null
  done
}
main </dev/null
