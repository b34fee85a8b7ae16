# shellcheck shell=bash
# On a server: lets external-dns work, also where `withdraw.sh` stopped it.
# NAMESPACE

main() {
  await_api
  local said
  said=$(kube scale deployment external-dns -n "$NAMESPACE" --replicas=1 2>&1) || die "external-dns could not be scaled:" "$said"
}
main </dev/null
