# shellcheck shell=bash
# On a server: puts the CRDs of a chart in place, which Helm does once and never again, and waits until they are served.
# CRDS CRD_SECONDS

# It is asked anew, since kubectl gives up on a CRD that is so new that it has no conditions yet.
# shellcheck disable=SC2086 # a list of names
established() { k3s kubectl wait --for=condition=Established --timeout=5s $names >"$log" 2>&1; }

main() {
  local log names
  wait_for 120 serving || die "The API on $(hostname) does not answer within 120 s." "$(journal k3s)"
  say "applying the CRDs"
  log=$(mktemp)
  names=$(k3s kubectl apply --request-timeout=60s --server-side --force-conflicts --validate=false --field-manager=homelab -o name -f - <<<"$CRDS" 2>"$log") ||
    die "The CRDs could not be applied:" "$(tail -n 15 "$log")"
  say "waiting for the CRDs to be served"
  wait_for "$CRD_SECONDS" established ||
    die "CRDs are not served after $CRD_SECONDS s:" "$(grep -v 'condition met' "$log" | tail -n 15)"
  rm -f "$log"
}
main </dev/null
