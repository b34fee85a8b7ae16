# shellcheck shell=bash
# On a server: apply the CRDs of a chart, which Helm never upgrades, and wait until they are established.
# CRDS CRD_SECONDS

# shellcheck disable=SC2086 # a list of names
established() {
  kube get $names --no-headers -o 'custom-columns=NAME:.metadata.name,SERVED:.status.conditions[?(@.type=="Established")].status' >"$log" 2>&1 &&
    ! grep -qv ' True$' "$log"
}

main() {
  local log names
  wait_for_api
  say "applying the CRDs"
  log=$(mktemp)
  names=$(k3s kubectl apply --request-timeout=60s --server-side --force-conflicts --validate=false --field-manager=homelab -o name -f - <<<"$CRDS" 2>"$log") ||
    die "The CRDs could not be applied:" "$(tail -n 15 "$log")"
  # without this annotation, uninstalling a release that contains the CRDs would delete them and all their objects
  # shellcheck disable=SC2086 # a list of names
  k3s kubectl annotate --request-timeout=60s --overwrite --field-manager=homelab $names helm.sh/resource-policy=keep >"$log" 2>&1 ||
    die "The CRDs could not be annotated:" "$(tail -n 15 "$log")"
  say "waiting for the CRDs to be established"
  wait_for "$CRD_SECONDS" established ||
    die "CRDs are not established after $CRD_SECONDS s; run \`pulumi up\` again:" "$(grep -v ' True$' "$log" | tail -n 15)"
  rm -f "$log"
}
main </dev/null
