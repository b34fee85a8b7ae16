# shellcheck shell=bash
# On another server after a restore: delete its etcd data and certificates, so that it joins again. Snapshots stay.
# NODE ENDPOINT CA (of the restored cluster)

main() {
  lock
  ! systemctl -q is-active k3s || die "K3s is running on $NODE, so its data were not deleted; run the restore again."
  say "waiting for the restored cluster at $ENDPOINT"
  wait_for 120 cluster_answers "$ENDPOINT" ||
    die "The restored cluster does not answer at $ENDPOINT within 120 s, so the data on $NODE were not deleted." "$(journal keepalived)"
  rm -rf $data/server/db/etcd $data/server/db/etcd-old-* $data/server/db/reset-flag $data/server/tls $data/server/tls-[0-9]* $data/server/cred
}
main </dev/null
