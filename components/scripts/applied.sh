# shellcheck shell=bash
# Looks whether K3s, its files, and the labels and taints of the node are as they were last applied.

# What the node has and should have, a line each; the kubelet may read its own node.
node() {
  # shellcheck disable=SC2016 # a template of Go
  k3s kubectl --kubeconfig $data/agent/kubelet.kubeconfig --request-timeout=3s get node "$(owner)" -o go-template='
{{- range $key, $value := .metadata.labels}}has label {{$key}}={{$value}}{{"\n"}}{{end}}
{{- range .spec.taints}}has taint {{.key}}{{with .value}}={{.}}{{end}}:{{.effect}}{{"\n"}}{{end}}
{{- with .metadata.annotations}}labels {{index . "homelab/labels"}}{{"\n"}}taints {{index . "homelab/taints"}}{{"\n"}}{{end}}' 2>/dev/null
}

# It is for the API to say: when it is away, nothing is known to differ.
marks() {
  local found kind each
  [ -x /usr/local/bin/k3s ] && found=$(node) || return 0
  for kind in label taint; do
    while IFS= read -r each; do
      [[ $each != *[=:]* ]] || grep -qxF -- "has $kind $each" <<<"$found" || echo "$kind $each was changed or removed"
    done < <(sed -n "s/^${kind}s //p" <<<"$found" | tr ' ' '\n')
  done
}

main() {
  drift
  marks
}
main </dev/null
