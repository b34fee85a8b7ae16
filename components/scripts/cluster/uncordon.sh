# shellcheck shell=bash
# On a server: wait until NODE is Ready and, if it is a server, votes in etcd; then uncordon it if homelab cordoned it.
# NODE ROLE CNI

# read_node: set `conditions` to the conditions of NODE.
read_node() { conditions=$(node_fields 'ready={.status.conditions[?(@.type=="Ready")].status} voter={.status.conditions[?(@.type=="EtcdIsVoter")].status} cordoned={.metadata.annotations.homelab/cordoned}'); }
is() { [[ " $conditions " == *" $1 "* ]]; }
ready() { read_node && is ready=True; }
# networkless: succeed if NODE lacks only the pod network, which a layer installs later; until then no node is Ready.
networkless() { [ "$CNI" = none ] && grep -q NetworkPluginNotReady <<<"$(node_fields '{.status.conditions[?(@.type=="Ready")].message}')" && none_ready; }
none_ready() { local all; all=$(kube get nodes -o jsonpath='{.items[*].status.conditions[?(@.type=="Ready")].status}') && ! grep -qw True <<<"$all"; }
in_order() { ready || networkless; }
voter() { is voter=True || { read_node && is voter=True; }; }

await_member() {
  say "waiting for $NODE to be Ready"
  wait_for 300 in_order || die "$NODE is not Ready after 300 s; fix the cause, then run \`pulumi up\` again:" "$(node_fields '{range .status.conditions[*]}{.type}={.status} {.message}{"\n"}{end}' 2>&1)"
  [ "$ROLE" = server ] || return 0
  say "waiting for $NODE to vote in etcd"
  wait_for 300 voter || die "$NODE is not a voting member of etcd after 300 s; fix the cause, then run \`pulumi up\` again:" "$(node_fields '{.status.conditions[?(@.type=="EtcdIsVoter")].message}')" "$(journal k3s)"
}

main() {
  local conditions
  await_member
  if is cordoned=true; then
    kube uncordon "$NODE" >/dev/null
    kube annotate node "$NODE" homelab/cordoned- >/dev/null
  fi
}
main </dev/null
