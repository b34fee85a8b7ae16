# shellcheck shell=bash
# On a server, before NODE is changed: wait until etcd has a quorum without NODE, and refuse an agent that would be newer
# than a server. A node that is not Ready can be changed at any time.
# NODE ROLE; VERSION, which is not set before a reboot

# spared: succeed if etcd would keep its quorum without NODE.
spared() { [ -z "$(quorum_loss_without "$NODE")" ]; }

# older_servers VERSION: print the servers' versions that are older than VERSION.
older_servers() { server_versions | while read -r running; do if newer "$running" "$1"; then echo "$running"; fi; done; }

# Kubernetes does not support a kubelet that is newer than the API server, so servers are upgraded before agents.
# check_order VERSION: die if a server is older than VERSION.
check_order() {
  local older; older=$(older_servers "$1")
  [ -z "$older" ] || die "$NODE cannot be upgraded to $1 before the servers, which run:" "$older" "Run \`pulumi up\` without --target."
}

main() {
  wait_for 20 api_ready || return 0
  local wanted=${VERSION:-}
  if [ "$ROLE" = agent ]; then [ -z "$wanted" ] || check_order "$wanted"; return; fi
  node_exists "$NODE" || return 0
  local ready in_etcd
  ready=$(ready_condition "$NODE") || die "The API on $(hostname) did not answer whether $NODE is Ready, so it was not changed; run \`pulumi up\` again." "$(journal k3s)"
  in_etcd=$(etcd_members) || die "The API on $(hostname) did not answer which servers are in etcd, so $NODE was not changed; run \`pulumi up\` again." "$(journal k3s)"
  [ "$ready" = True ] && [ "$(wc -l <<<"$in_etcd")" -gt 1 ] || return 0
  spared || say "waiting for the other servers to be Ready: $(quorum_loss_without "$NODE")"
  wait_for 120 spared || die "$NODE was not changed, because the API would be unavailable during its restart: $(quorum_loss_without "$NODE")." \
    "Make the other servers Ready, or remove lost servers from \`nodes\`; then run \`pulumi up\` again."
}
main </dev/null
