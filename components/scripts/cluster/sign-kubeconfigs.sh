# shellcheck shell=bash
# On a server: let the cluster sign the certificates of the stack's kubeconfigs. Prints the API's CA and then the
# certificates, in base64, one per line. REQUESTS (for certificates, in base64, one per line) SECONDS_VALID

names=()
certificates=''

as_list() {
  local request items=()
  while read -r request; do
    items+=("{\"apiVersion\": \"certificates.k8s.io/v1\", \"kind\": \"CertificateSigningRequest\",
      \"metadata\": {\"generateName\": \"homelab-\"}, \"spec\": {\"request\": \"$request\", \"expirationSeconds\": $SECONDS_VALID,
      \"signerName\": \"kubernetes.io/kube-apiserver-client\", \"usages\": [\"client auth\"]}}")
  done <<<"$REQUESTS"
  (IFS=,; printf '{"apiVersion": "v1", "kind": "List", "items": [%s]}\n' "${items[*]}")
}

all_signed() {
  certificates=$(kube get certificatesigningrequests "${names[@]}" -o jsonpath='{range .items[*]}{.status.certificate}{"\n"}{end}')
  [ "$(wc -w <<<"$certificates")" = "${#names[@]}" ]
}

# record_expiry: annotate when the certificates expire, and when to renew them: in the last quarter of their lifetime.
record_expiry() {
  local expiry; expiry=$(head -n 1 <<<"$certificates" | base64 -d | openssl x509 -noout -enddate)
  expiry=$(date -d "${expiry#*=}" +%s)
  kube annotate clusterrolebinding homelab:admin --overwrite \
    "homelab/kubeconfigs=$(kubeconfigs_mark) $((expiry - (expiry - $(date +%s)) / 4)) $expiry" >/dev/null
}

main() {
  wait_for_api
  say "signing the certificates of the kubeconfigs"
  local output
  output=$(as_list | kube create -o name -f -)
  mapfile -t names <<<"$output"
  names=("${names[@]##*/}")
  trap 'kube delete certificatesigningrequests "${names[@]}" --ignore-not-found >/dev/null' EXIT # signed or not
  kube certificate approve "${names[@]}" >/dev/null
  wait_for 30 all_signed || die "The cluster has not signed the certificates within 30 s; run \`pulumi up\` again:" "$(kube get certificatesigningrequests "${names[@]}" 2>&1)"
  record_expiry
  base64 -w 0 $data/server/tls/server-ca.crt
  printf '\n%s\n' "$certificates"
}
main </dev/null
