# shellcheck shell=bash
# On a server: moves the pods away from NODE before it is changed.
# NODE DRAIN_SECONDS

main() {
  command -v k3s >/dev/null && kube get node "$NODE" >/dev/null 2>&1 || return 0
  local others; others=$(kube get nodes -o jsonpath='{range .items[*]}{.metadata.name}{" "}{.spec.unschedulable}{"\n"}{end}' | grep -v "^$NODE " | grep -cv true || true)
  if [ "$others" = 0 ]; then say "$NODE is the only node: its pods stay"; return; fi
  if [ "$(kube get node "$NODE" -o jsonpath='{.spec.unschedulable}')" != true ]; then
    kube annotate node "$NODE" homelab/cordoned=true --overwrite >/dev/null
  fi
  drain changed
}
main </dev/null
