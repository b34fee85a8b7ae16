# shellcheck shell=bash
# Drift check: compare K3s, its files, and the node's labels and taints with what was last applied.

# node: print the machine's own Node object on one line, read with the kubelet's credentials. K3s's kubectl would take a
# second on a small board.
node() {
  local server
  server=$(sed -n 's/^ *server: //p' $data/agent/kubelet.kubeconfig 2>/dev/null)
  curl -fsS --max-time 3 --cacert $data/agent/server-ca.crt --cert $data/agent/client-kubelet.crt \
    --key $data/agent/client-kubelet.key "$server/api/v1/nodes/$(prepared_node)?pretty=false" 2>/dev/null
}

# has KIND: print the labels or taints of the Node on standard input, one per line, in the format of the stack file.
has() {
  if [ "$1" = label ]; then
    grep -o '"labels":{[^}]*}' | head -n 1 | grep -oE '"[^":]+":"[^"]*"' | sed -E 's/"(.*)":"(.*)"/\1=\2/'
  else
    grep -o '"taints":\[[^]]*\]' | grep -o '{[^}]*}' | sed -E 's/\{"key":"([^"]*)"/\1/; s/,"value":"([^"]*)"/=\1/; s/,"effect":"([^"]*)".*/:\1/'
  fi
}

# given KIND: print the labels or taints that homelab set on the Node, from its annotations.
given() { { grep -o "\"homelab/$1s\":\"[^\"]*\"" || true; } | cut -d'"' -f4 | tr ' ' '\n'; }

# marks: print changed labels and taints, and whether a run left the node cordoned; nothing if the API does not answer.
marks() {
  local object kind current mark
  object=$(node) || return 0
  ! grep -qF '"homelab/cordoned":"true"' <<<"$object" || echo "the node is still cordoned by an interrupted run"
  for kind in label taint; do
    current=$(has $kind <<<"$object" || true)
    while IFS= read -r mark; do
      [ -z "$mark" ] || grep -qxF -- "$mark" <<<"$current" || echo "$kind $mark was changed or removed"
    done < <(given $kind <<<"$object")
  done
}

main() {
  drift
  marks
}
main </dev/null
