# shellcheck shell=bash
# On a server: delete this cluster's DNS records, before the layer is removed. Only external-dns itself knows its records,
# so it runs once more with the same options and a filter that matches no object: then it deletes every record it owns.
# NAMESPACE SYNC

# not_removed REASON…: start external-dns again and fail, so that the layer stays.
not_removed() {
  kube scale deployment external-dns -n "$NAMESPACE" --replicas=1 >/dev/null 2>&1 || true
  "${ending:-die}" "The records in DNS were not removed:" "$@" \
    "Run it again. To keep the records instead: set \`externalDns.sync: false\` and \`pulumi up\` first."
}

# once SPEC: print a Job that runs external-dns once, with its pod spec SPEC and a filter that matches no object.
once() {
  local spec=${1/'"--policy=sync"'/'"--policy=sync","--once","--label-filter=homelab=no-object"'}
  spec=${spec/'"restartPolicy":"Always"'/'"restartPolicy":"Never"'}
  printf '{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"withdraw","namespace":"%s"},"spec":{"backoffLimit":2,"template":{"spec":%s}}}' "$NAMESPACE" "$spec"
}

of() { kube get job withdraw -n "$NAMESPACE" -o jsonpath="{.status.conditions[?(@.type==\"$1\")].status}"; }
ended() { [ "$(of Complete)" = True ] || [ "$(of Failed)" = True ]; }

withdraw() {
  kube scale deployment external-dns -n "$NAMESPACE" --replicas=0
  k3s kubectl wait pod -n "$NAMESPACE" -l app.kubernetes.io/name=external-dns --for=delete --timeout=90s
  kube delete job withdraw -n "$NAMESPACE" --ignore-not-found
  once "$1" | kube create -f -
}

main() {
  [ "$SYNC" = yes ] || { say "the DNS records stay, because \`externalDns.sync\` is not set"; return; }
  command -v k3s >/dev/null || return 0
  wait_for 120 api_ready || ending=die_api_unavailable not_removed "The API on $(hostname) does not answer within 120 s." "$(journal k3s)"
  local spec output
  spec=$(kube get deployment external-dns -n "$NAMESPACE" --ignore-not-found -o jsonpath='{.spec.template.spec}')
  [ -n "$spec" ] || return 0
  say "deleting this cluster's DNS records"
  output=$(withdraw "$spec" 2>&1) || not_removed "$output"
  wait_for 240 ended || true
  [ "$(of Complete)" = True ] || not_removed "$(kube logs -n "$NAMESPACE" job/withdraw --tail=10 2>&1 || true)"
}
main </dev/null
