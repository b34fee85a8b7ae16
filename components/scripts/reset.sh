# shellcheck shell=bash
# On a server where K3s is stopped: puts back what SNAPSHOT holds, with this machine as the only member of etcd.
# SNAPSHOT FETCH (yes: from S3) VERSION ENDPOINT PEERS

staged=$state/staged
reset=$state/reset
db=$data/server/db

# Two clusters with one name would be worse than none.
check_alone() {
  local peer
  for peer in $ENDPOINT $PEERS; do
    ! speaks_k3s "$peer" || die "A K3s server still answers at $peer, so nothing was restored: it could not be stopped." \
      "Switch that machine off, or mend the way to it, then restore again." \
      "To get back what was there instead: \`sudo systemctl enable --now k3s\` on every server that answers."
  done
}

configure() {
  umask 077
  rm -rf $reset && mkdir -p $reset/config.yaml.d
  cp $staged/config.yaml $reset/config.yaml
  cp $staged/secrets.yaml $reset/config.yaml.d/secrets.yaml
  {
    # a machine that never ran K3s is asked for the token itself: the file would not do
    printf '%s\n' 'cluster-reset: true' 'server: ""' "token: \"$(cat $staged/token)\"" 'token-file: ""' "agent-token-file: $staged/agent-token"
    if [ "$FETCH" = yes ]; then echo "cluster-reset-restore-path: \"$SNAPSHOT\""
    else printf '%s\n' "cluster-reset-restore-path: \"$db/snapshots/$SNAPSHOT\"" 'etcd-s3: false'; fi
  } >$reset/config.yaml.d/zz-reset.yaml
}

# K3s puts aside what it replaces, each time anew: what is older than the last time goes.
tidy() {
  local kind
  for kind in "$db/etcd-old-" "$data/server/tls-"; do
    [ -d "${kind%/*}" ] || continue # a new machine has none of it
    find "${kind%/*}" -maxdepth 1 -type d -name "${kind##*/}[0-9]*" | sort | head -n -1 | xargs -r rm -rf
  done
}

# Names as K3s makes them, and no others: this one becomes a path, and stands in YAML.
check_name() { [[ $SNAPSHOT =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$ ]] || die "$(printf %q "$SNAPSHOT" | cut -c 1-200) is no name of a snapshot; nothing was touched."; }

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
      "It needs the server token that it was taken with: was it another then, give it with --token-file." \
      "K3s is stopped on every server. Restore again, perhaps another snapshot. To get back what was there instead:" \
      "\`sudo systemctl enable --now k3s\` on every other server, if they are two or more."
  rm -rf $reset "$log"
}
main </dev/null
