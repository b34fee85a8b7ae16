# shellcheck shell=bash
# On a server: takes a snapshot of etcd before the first server gets another version of K3s.
# VERSION

main() {
  await_api
  ! grep -qxF "$VERSION" <<<"$(versions)" || return 0
  local name=before-${VERSION//+/-} said
  say "taking a snapshot of etcd: $name"
  # where it is to go to S3 as well, a bucket out of reach does not lose the one that is kept here
  said=$(timeout 300 k3s etcd-snapshot save --name "$name" 2>&1) || compgen -G "$data/server/db/snapshots/$name-*" >/dev/null ||
    die "No snapshot could be taken, so K3s was not changed:" "$(tail -n 5 <<<"$said")"
}
main </dev/null
