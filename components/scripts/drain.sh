# shellcheck shell=bash
# On a server: moves the pods away from NODE before it is changed.
# NODE DRAIN_SECONDS

# others: how many nodes may take its pods. Dies if the API does not say.
others() {
  local nodes
  nodes=$(kube get nodes -o jsonpath='{range .items[*]}{.metadata.name}{" "}{.spec.unschedulable}{"\n"}{end}') ||
    die "The API on $(hostname) does not say which nodes there are, so $NODE was not changed." "$(journal k3s)"
  grep -v "^$NODE " <<<"$nodes" | grep -cv true || true
}

main() {
  command -v k3s >/dev/null && wait_for 20 serving || return 0 # what does not serve is mended by the change
  exists "$NODE" || return 0
  local others; others=$(others)
  if [ "$others" = 0 ]; then say "$NODE is the only node: its pods stay"; return; fi
  if [ "$(kube get node "$NODE" -o jsonpath='{.spec.unschedulable}')" != true ]; then
    kube annotate node "$NODE" homelab/cordoned=true --overwrite >/dev/null
  fi
  drain changed
}
main </dev/null
