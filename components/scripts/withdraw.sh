# shellcheck shell=bash
# On a server: takes the names of this cluster back, before the controller goes that knows which they are.
# It runs once more with everything the same, but sees no object: what it owns has no reason left.
# NAMESPACE SYNC

# not_removed WHY…: the layer stays, and works on.
not_removed() {
  kube scale deployment external-dns -n "$NAMESPACE" --replicas=1 >/dev/null 2>&1 || true
  "${ending:-die}" "The records in DNS were not removed:" "$@" \
    "Run it again; to leave them there instead: \`externalDns.sync: false\` and \`pulumi up\` first."
}

# once SPEC: the controller's pods as a Job.
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
  [ "$SYNC" = yes ] || { say "the records stay in DNS: sync is not set"; return; }
  command -v k3s >/dev/null || return 0
  wait_for 120 serving || ending=api_away not_removed "the API on $(hostname) does not answer." "$(journal k3s)"
  local spec said
  spec=$(kube get deployment external-dns -n "$NAMESPACE" --ignore-not-found -o jsonpath='{.spec.template.spec}')
  [ -n "$spec" ] || return 0
  say "taking the records of this cluster out of DNS"
  said=$(withdraw "$spec" 2>&1) || not_removed "$said"
  wait_for 240 ended || true
  [ "$(of Complete)" = True ] || not_removed "$(kube logs -n "$NAMESPACE" job/withdraw --tail=10 2>&1 || true)"
}
main </dev/null
