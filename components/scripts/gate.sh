# shellcheck shell=bash
# On a server: waits until the software of a layer takes its objects, and has made those that others need.
# MANIFESTS (a List) APPEARS (kind/name, a line each) NAMESPACE GATE_SECONDS RELEASES

# What the API server would say to the objects; nothing if it took them all. It validates them itself:
# kubectl would fetch the description of every kind for that, each time.
unwilling() {
  local said
  said=$(kube apply --server-side --force-conflicts --dry-run=server --validate=false -f - <<<"$MANIFESTS" 2>&1 >/dev/null) && return
  grep -vE '^Warning: |no objects passed to apply' <<<"$said" || true
}

absent() {
  local each
  for each in $APPEARS; do
    kube get "$each" -n "$NAMESPACE" -o name >/dev/null 2>&1 || { echo "$each is not there yet"; return; }
  done
}

# Waiting does not help against these.
refused() { grep -qE 'denied the request|is invalid:|strict decoding error|error parsing' <<<"$answer"; }

decided() {
  local before=$answer
  answer=$(unwilling)
  [ -n "$answer" ] || answer=$(absent)
  if [ -z "$answer" ] || refused; then return; fi
  [ "$answer" = "$before" ] || say "waiting: ${answer%%$'\n'*}" 2>&3
  return 1
}

main() {
  local answer=''
  exec 3>&2
  await_api
  wait_for "$GATE_SECONDS" decided || die "Not ready after $GATE_SECONDS s: ${RELEASES//$'\n'/, }" "$answer" "Pods in $NAMESPACE:" "$(kube get pods -n "$NAMESPACE" 2>&1)"
  [ -z "$answer" ] || die "An object was refused; nothing was changed by it:" "$answer"
}
main </dev/null
