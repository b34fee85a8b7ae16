# shellcheck shell=bash
# On a server: wait until a layer's webhooks accept its objects, and its controllers have created those that others need.
# MANIFESTS (a List) APPEARS (kind/name, one per line) NAMESPACE GATE_SECONDS RELEASES

# rejection: print the API server's errors in a dry run of the objects; nothing if it accepts them all. The API server
# validates the objects: kubectl would download the schema of every kind for that, each time. The API server waits up to
# 30 s for a webhook, and its error names the webhook, so the request needs a longer timeout.
rejection() {
  local output
  output=$(k3s kubectl --request-timeout=45s apply --server-side --force-conflicts --dry-run=server --validate=false -f - <<<"$MANIFESTS" 2>&1 >/dev/null) && return
  grep -vE '^Warning: |no objects passed to apply' <<<"$output" || true
}

# absent: print the first of the expected objects that does not exist yet.
absent() {
  local object
  for object in $APPEARS; do
    kube get "$object" -n "$NAMESPACE" -o name >/dev/null 2>&1 || { echo "$object does not exist yet"; return; }
  done
}

# refused: succeed if the error is permanent, so that waiting does not help.
refused() { grep -qE 'denied the request|is invalid:|strict decoding error|error parsing' <<<"$problem"; }

# decided: set `problem`; succeed if there is none, or if it is permanent.
decided() {
  local before=$problem
  problem=$(rejection)
  [ -n "$problem" ] || problem=$(absent)
  if [ -z "$problem" ] || refused; then return; fi
  [ "$problem" = "$before" ] || say "waiting: ${problem%%$'\n'*}" 2>&3
  return 1
}

# explain_webhook: print the objects that the API server could not change, and what to do, if a webhook does not answer.
explain_webhook() {
  local objects what="does not answer in time: read the logs of its pods, or restart the pods"
  [[ $problem == *'failed calling webhook'* ]] || return 0
  case $problem in
    *'no endpoints available'*) what='has no ready pod: repair or scale up its pods' ;;
    *x509:*) what="does not have the certificate that the API server expects (caBundle): restart the pods in $NAMESPACE" ;;
  esac
  objects=$(kube create --dry-run=client --validate=false -o name -f - <<<"$MANIFESTS" 2>/dev/null)
  echo "The API server calls this webhook for each change of ${objects//$'\n'/, }, and rejects the change if the call fails. The webhook $what. Then run \`pulumi up\` again."
}

main() {
  local problem='' failure
  exec 3>&2
  wait_for_api
  wait_for "$GATE_SECONDS" decided || {
    mapfile -t failure < <(explain_webhook)
    die "Not ready after $GATE_SECONDS s: ${RELEASES//$'\n'/, }" "$problem" "${failure[@]}" "Pods in $NAMESPACE:" "$(kube get pods -n "$NAMESPACE" 2>&1)"
  }
  [ -z "$problem" ] || die "The API server rejected an object of the layer; no changes were made:" "$problem"
}
main </dev/null
