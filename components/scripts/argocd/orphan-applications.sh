# shellcheck shell=bash
# On a server: remove the finalizers of Argo CD's Applications, so that their namespace can be deleted without Argo CD.
# The objects that they deployed stay.
# NAMESPACE

kinds=applications.argoproj.io,applicationsets.argoproj.io,appprojects.argoproj.io

main() {
  command -v k3s >/dev/null || return 0
  wait_for 120 api_ready || die_api_unavailable "The API on $(hostname) does not answer within 120 s, so the finalizers of Argo CD's Applications were not removed." "$(journal k3s)"
  local objects object output
  objects=$(list_objects $kinds -n "$NAMESPACE") || die "The API on $(hostname) did not answer which Applications exist; run \`pulumi up\` again:" "$objects"
  for object in $objects; do
    output=$(remove_finalizers "$NAMESPACE" "$object") || grep -q NotFound <<<"$output" || die "The finalizers of $object were not removed:" "$output"
  done
}
main </dev/null
