# shellcheck shell=bash
# Looks whether K3s, its files, and the labels and taints of the node are as they were last applied.

# The node as the API server has it, on one line; the kubelet may read its own. K3s' kubectl takes a second on a small board.
node() {
  local server
  server=$(sed -n 's/^ *server: //p' $data/agent/kubelet.kubeconfig 2>/dev/null)
  curl -fsS --max-time 3 --cacert $data/agent/server-ca.crt --cert $data/agent/client-kubelet.crt \
    --key $data/agent/client-kubelet.key "$server/api/v1/nodes/$(owner)?pretty=false" 2>/dev/null
}

# has KIND: the labels or taints of the node that is read, a line each, as the stack file writes them.
has() {
  if [ "$1" = label ]; then
    grep -o '"labels":{[^}]*}' | head -n 1 | grep -oE '"[^":]+":"[^"]*"' | sed -E 's/"(.*)":"(.*)"/\1=\2/'
  else
    grep -o '"taints":\[[^]]*\]' | grep -o '{[^}]*}' | sed -E 's/\{"key":"([^"]*)"/\1/; s/,"value":"([^"]*)"/=\1/; s/,"effect":"([^"]*)".*/:\1/'
  fi
}

# given KIND: those that were put there by us.
given() { { grep -o "\"homelab/$1s\":\"[^\"]*\"" || true; } | cut -d'"' -f4 | tr ' ' '\n'; }

# It is for the API to say: when it is away, nothing is known to differ.
marks() {
  local found kind there each
  found=$(node) || return 0
  ! grep -qF '"homelab/cordoned":"true"' <<<"$found" || echo "it is cordoned, by a run that did not end"
  for kind in label taint; do
    there=$(has $kind <<<"$found" || true)
    while IFS= read -r each; do
      [ -z "$each" ] || grep -qxF -- "$each" <<<"$there" || echo "$kind $each was changed or removed"
    done < <(given $kind <<<"$found")
  done
}

main() {
  drift
  marks
}
main </dev/null
