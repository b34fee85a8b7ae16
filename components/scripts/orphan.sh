# shellcheck shell=bash
# On a server: once ArgoCD is gone, its Applications go with their namespace, and what they deployed stays.
# NAMESPACE

kinds=applications.argoproj.io,applicationsets.argoproj.io,appprojects.argoproj.io

main() {
  command -v k3s >/dev/null || return 0
  wait_for 120 serving || api_away "The API on $(hostname) does not answer, so ArgoCD's Applications were not let go." "$(journal k3s)"
  local all each said
  all=$(found $kinds -n "$NAMESPACE") || die "It is not known which Applications there are:" "$all"
  for each in $all; do
    said=$(unbind "$NAMESPACE" "$each") || grep -q NotFound <<<"$said" || die "$each was not let go:" "$said"
  done
}
main </dev/null
