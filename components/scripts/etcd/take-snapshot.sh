# shellcheck shell=bash
# On a server: take a snapshot of etcd and print its name. K3s itself uploads it to S3, if that is configured.
# LABEL (prefix of the name) COPIED (yes: the upload must succeed)

main() {
  wait_for_api
  say "taking a snapshot"
  local output names
  output=$(k3s etcd-snapshot save --name "$LABEL" 2>&1) ||
    die "K3s took no snapshot on $(hostname):" "$(tail -n 3 <<<"$output" | cut -c 1-500)" "$(journal k3s)"
  names=$(sed -nE 's/.*Snapshot ([^ "]+) saved.*/\1/p' <<<"$output")
  [ -n "$names" ] || die "K3s on $(hostname) did not report a saved snapshot:" "$(tail -n 3 <<<"$output" | cut -c 1-500)"
  # K3s reports the snapshot once per location
  [ "$COPIED" = no ] || [ "$(wc -l <<<"$names")" -gt 1 ] ||
    die "The snapshot $names is on $(hostname), but K3s could not upload it to S3:" "$(journal k3s)"
  head -n 1 <<<"$names"
}
main </dev/null
