# shellcheck shell=bash
# On a server: waits until NODE is a full member, then lets pods return if we had sent them away.
# NODE ROLE CNI

# look: sees what counts of NODE, in words.
look() { seen=$(facts 'ready={.status.conditions[?(@.type=="Ready")].status} voter={.status.conditions[?(@.type=="EtcdIsVoter")].status} cordoned={.metadata.annotations.homelab/cordoned}'); }
is() { [[ " $seen " == *" $1 "* ]]; }
ready() { look && is ready=True; }
# networkless: the pod network comes after the machines, and until it is there no node at all is Ready.
networkless() { [ "$CNI" = none ] && grep -q NetworkPluginNotReady <<<"$(facts '{.status.conditions[?(@.type=="Ready")].message}')" && none_ready; }
none_ready() { local all; all=$(kube get nodes -o jsonpath='{.items[*].status.conditions[?(@.type=="Ready")].status}') && ! grep -qw True <<<"$all"; }
in_order() { ready || networkless; }
voter() { is voter=True || { look && is voter=True; }; }

await_member() {
  say "waiting for $NODE to be Ready"
  wait_for 300 in_order || die "$NODE is not Ready after 300 s:" "$(facts '{range .status.conditions[*]}{.type}={.status} {.message}{"\n"}{end}' 2>&1)"
  [ "$ROLE" = server ] || return 0
  say "waiting for $NODE to vote in etcd"
  wait_for 300 voter || die "$NODE is still no voter in etcd after 300 s:" "$(facts '{.status.conditions[?(@.type=="EtcdIsVoter")].message}')" "$(journal k3s)"
}

main() {
  local seen
  await_member
  if is cordoned=true; then
    kube uncordon "$NODE" >/dev/null
    kube annotate node "$NODE" homelab/cordoned- >/dev/null
  fi
}
main </dev/null
