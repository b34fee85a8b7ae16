# shellcheck shell=bash
# On a server: scale external-dns to one replica, because `external-dns/delete-records.sh` may have stopped it.
# NAMESPACE

main() {
  wait_for_api
  local output
  output=$(kube scale deployment external-dns -n "$NAMESPACE" --replicas=1 2>&1) || die "external-dns could not be scaled:" "$output"
}
main </dev/null
