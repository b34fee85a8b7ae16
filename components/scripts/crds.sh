# shellcheck shell=bash
# On a server: puts the CRDs of a chart in place, which Helm does once and never again, and waits until they are served.
# CRDS

main() {
  wait_for 120 serving || die "The API on $(hostname) does not answer within 120 s." "$(journal k3s)"
  say "applying the CRDs"
  local log names
  log=$(mktemp)
  names=$(k3s kubectl apply --request-timeout=60s --server-side --force-conflicts --validate=false --field-manager=homelab -o name -f - <<<"$CRDS" 2>"$log") ||
    die "The CRDs could not be applied:" "$(tail -n 15 "$log")"
  say "waiting for the CRDs to be served"
  # shellcheck disable=SC2086 # a list of names
  k3s kubectl wait --for=condition=Established --timeout=60s $names >"$log" 2>&1 ||
    die "CRDs are not served after 60 s:" "$(grep -v 'condition met' "$log" | tail -n 15)"
  rm -f "$log"
}
main </dev/null
