# shellcheck shell=bash
# On a server: once ArgoCD is gone, its Applications go with their namespace, and what they deployed stays.
# NAMESPACE

kinds=applications.argoproj.io,applicationsets.argoproj.io,appprojects.argoproj.io

main() {
  command -v k3s >/dev/null || return 0
  wait_for 120 serving || die "The API on $(hostname) does not answer, so ArgoCD's Applications were not let go." "$(journal k3s)"
  local each said
  for each in $(kube get $kinds -n "$NAMESPACE" -o name 2>/dev/null || true); do
    said=$(kube patch "$each" -n "$NAMESPACE" --type=merge -p '{"metadata": {"finalizers": null}}' 2>&1) ||
      grep -q NotFound <<<"$said" || die "$each was not let go:" "$said"
  done
}
main </dev/null
