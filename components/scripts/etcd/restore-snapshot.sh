# shellcheck shell=bash
# On a server where K3s is stopped: restore SNAPSHOT, with this machine as the only member of etcd.
# SNAPSHOT FETCH (yes: from S3) VERSION ENDPOINT PEERS

staged=$state/staged
reset=$state/reset
db=$data/server/db

# check_alone: refuse to restore while another server runs, because two clusters with one endpoint would result.
check_alone() {
  local peer
  for peer in $ENDPOINT $PEERS; do
    ! any_k3s_answers "$peer" || die "A K3s server still answers at $peer, so nothing was restored: homelab could not stop it." \
      "Power off that machine, or make it reachable on SSH; then restore again." \
      "To continue without a restore: \`sudo systemctl enable --now k3s\` on every server that answers."
  done
}

configure() {
  umask 077
  rm -rf $reset && mkdir -p $reset/config.yaml.d
  cp $staged/config.yaml $reset/config.yaml
  cp $staged/secrets.yaml $reset/config.yaml.d/secrets.yaml
  {
    # on a machine that never ran K3s, the reset needs the token itself and ignores the token file
    printf '%s\n' 'cluster-reset: true' 'server: ""' "token: \"$(cat $staged/token)\"" 'token-file: ""' "agent-token-file: $staged/agent-token"
    if [ "$FETCH" = yes ]; then echo "cluster-reset-restore-path: \"$SNAPSHOT\""
    else printf '%s\n' "cluster-reset-restore-path: \"$db/snapshots/$SNAPSHOT\"" 'etcd-s3: false'; fi
  } >$reset/config.yaml.d/zz-reset.yaml
}

# tidy: at each reset, K3s makes a backup of etcd's data and certificates: delete all backups but the newest.
tidy() {
  local kind
  for kind in "$db/etcd-old-" "$data/server/tls-"; do
    [ -d "${kind%/*}" ] || continue # a new machine has none
    find "${kind%/*}" -maxdepth 1 -type d -name "${kind##*/}[0-9]*" | sort | head -n -1 | xargs -r rm -rf
  done
}

# check_name: accept only names in K3s's format, because the name becomes part of a path and of YAML.
check_name() { [[ $SNAPSHOT =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$ ]] || die "$(printf %q "$SNAPSHOT" | cut -c 1-200) is not the name of a snapshot; no changes were made."; }

main() {
  check_name
  lock
  check_alone
  [ "$FETCH" = yes ] || [ -s "$db/snapshots/$SNAPSHOT" ] || die "There is no snapshot $SNAPSHOT in $db/snapshots on $(hostname)." "$(ls -l $db/snapshots 2>&1)"
  tidy
  configure
  say "restoring $SNAPSHOT"
  local log; log=$(mktemp)
  timeout -k 10 600 "$state/k3s/$VERSION/k3s" server --config $reset/config.yaml >"$log" 2>&1 || true
  grep -q 'membership has been reset' "$log" ||
    die "K3s could not restore $SNAPSHOT on $(hostname) within 600 s:" "$(grep -E 'level=(error|fatal)|panic' "$log" | cut -c 1-300 | tail -n 8)" "$(tail -n 3 "$log" | cut -c 1-300)" \
      "A snapshot needs the server token of its time: if the token was changed since, give the old one with --token-file." \
      "K3s is stopped on every server. Restore again, perhaps another snapshot. To continue without a restore:" \
      "\`sudo systemctl enable --now k3s\` on every other server, if there are two or more."
  rm -rf $reset "$log"
}
main </dev/null
