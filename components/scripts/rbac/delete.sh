# shellcheck shell=bash
# On a server: delete all role bindings of users.

main() {
  command -v k3s >/dev/null || return 0
  wait_for 120 api_ready || die_api_unavailable "The API on $(hostname) does not answer within 120 s, so the role bindings of users were not deleted." "$(journal k3s)"
  kube delete clusterrolebindings,rolebindings -A -l homelab/rights >/dev/null
}
main </dev/null
