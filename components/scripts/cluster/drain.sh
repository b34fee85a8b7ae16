# shellcheck shell=bash
# On a server: drain NODE before it is changed.
# NODE DRAIN_SECONDS

# other_nodes: print how many other nodes can run its pods. Dies if the API does not answer.
other_nodes() {
  local nodes
  nodes=$(kube get nodes -o jsonpath='{range .items[*]}{.metadata.name}{" "}{.spec.unschedulable}{"\n"}{end}') ||
    die "The API on $(hostname) did not answer which nodes exist, so $NODE was not changed; run \`pulumi up\` again." "$(journal k3s)"
  grep -v "^$NODE " <<<"$nodes" | grep -cv true || true
}

main() {
  # without a ready API, NODE cannot be drained, but the change may repair the API
  command -v k3s >/dev/null && wait_for 20 api_ready || return 0
  node_exists "$NODE" || return 0
  pause_kured changed
  local other_nodes; other_nodes=$(other_nodes)
  if [ "$other_nodes" = 0 ]; then say "$NODE is the only node: its pods stay"; return; fi
  if [ "$(kube get node "$NODE" -o jsonpath='{.spec.unschedulable}')" != true ]; then
    kube annotate node "$NODE" homelab/cordoned=true --overwrite >/dev/null
  fi
  drain changed
}
main </dev/null
