# shellcheck shell=bash
# On a server: take a snapshot of etcd before the first server is upgraded.
# VERSION

main() {
  wait_for_api
  ! grep -qxF "$VERSION" <<<"$(server_versions)" || return 0
  local name=before-${VERSION//+/-} output
  say "taking a snapshot of etcd: $name"
  # a failed upload to S3 does not matter here, as long as the local snapshot exists
  output=$(timeout 300 k3s etcd-snapshot save --name "$name" 2>&1) || compgen -G "$data/server/db/snapshots/$name-*" >/dev/null ||
    die "K3s took no snapshot of etcd within 300 s, so it was not upgraded; fix the cause, then run \`pulumi up\` again:" "$(tail -n 5 <<<"$output")"
}
main </dev/null
