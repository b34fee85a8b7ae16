# shellcheck shell=bash
# On a server: takes back all rights that people were given.

main() {
  command -v k3s >/dev/null || return 0
  wait_for 120 serving || api_away "The API on $(hostname) does not answer, so the rights of people cannot be taken back." "$(journal k3s)"
  kube delete clusterrolebindings,rolebindings -A -l homelab/rights >/dev/null
}
main </dev/null
