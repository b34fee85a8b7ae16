# shellcheck shell=bash
# On a server: has the cluster sign the certificates of the stack's kubeconfigs. Prints the authority of the API and then
# each certificate, in base64, a line each. REQUESTS (of certificates, in base64, a line each) SECONDS_VALID

names=()
certificates=''

as_list() {
  local each items=()
  while read -r each; do
    items+=("{\"apiVersion\": \"certificates.k8s.io/v1\", \"kind\": \"CertificateSigningRequest\",
      \"metadata\": {\"generateName\": \"homelab-\"}, \"spec\": {\"request\": \"$each\", \"expirationSeconds\": $SECONDS_VALID,
      \"signerName\": \"kubernetes.io/kube-apiserver-client\", \"usages\": [\"client auth\"]}}")
  done <<<"$REQUESTS"
  (IFS=,; printf '{"apiVersion": "v1", "kind": "List", "items": [%s]}\n' "${items[*]}")
}

all_signed() {
  certificates=$(kube get certificatesigningrequests "${names[@]}" -o jsonpath='{range .items[*]}{.status.certificate}{"\n"}{end}')
  [ "$(wc -w <<<"$certificates")" = "${#names[@]}" ]
}

# note: in the cluster, when to renew them: a quarter of their time before they end.
note() {
  local ends; ends=$(head -n 1 <<<"$certificates" | base64 -d | openssl x509 -noout -enddate)
  ends=$(date -d "${ends#*=}" +%s)
  kube annotate clusterrolebinding homelab:admin --overwrite \
    "homelab/kubeconfigs=$(kubeconfigs_mark) $((ends - (ends - $(date +%s)) / 4)) $ends" >/dev/null
}

main() {
  await_api
  say "having the certificates of the kubeconfigs signed"
  local said
  said=$(as_list | kube create -o name -f -)
  mapfile -t names <<<"$said"
  names=("${names[@]##*/}")
  trap 'kube delete certificatesigningrequests "${names[@]}" --ignore-not-found >/dev/null' EXIT # answered or not
  kube certificate approve "${names[@]}" >/dev/null
  wait_for 30 all_signed || die "The cluster has not signed the certificates within 30 s:" "$(kube get certificatesigningrequests "${names[@]}" 2>&1)"
  note
  base64 -w 0 $data/server/tls/server-ca.crt
  printf '\n%s\n' "$certificates"
}
main </dev/null
