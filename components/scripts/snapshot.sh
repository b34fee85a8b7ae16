# shellcheck shell=bash
# On a server: takes a snapshot of etcd and prints its name. K3s copies it to S3 itself, if it was told so.
# LABEL (how the name begins) COPIED (yes: there must be a copy)

main() {
  await_api
  say "taking a snapshot"
  local said names
  said=$(k3s etcd-snapshot save --name "$LABEL" 2>&1) ||
    die "K3s took no snapshot on $(hostname):" "$(tail -n 3 <<<"$said" | cut -c 1-500)" "$(journal k3s)"
  names=$(sed -nE 's/.*Snapshot ([^ "]+) saved.*/\1/p' <<<"$said")
  [ -n "$names" ] || die "K3s does not say that it took a snapshot on $(hostname):" "$(tail -n 3 <<<"$said" | cut -c 1-500)"
  # it names the snapshot once for each place where it is
  [ "$COPIED" = no ] || [ "$(wc -l <<<"$names")" -gt 1 ] ||
    die "The snapshot $names is on $(hostname), but K3s could not copy it to S3:" "$(journal k3s)"
  head -n 1 <<<"$names"
}
main </dev/null
