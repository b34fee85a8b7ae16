# shellcheck shell=bash
# On a server: does not let a layer go while it keeps data.
# KEY KEEPS QUERY (arguments of kubectl get, a line each)

# kept: names of what there is.
kept() {
  local line arguments said
  while IFS= read -r line; do
    [ -n "$line" ] || continue
    read -ra arguments <<<"$line"
    said=$(found "${arguments[@]}") || die "It is not known whether $KEY still keeps $KEEPS:" "$said"
    [ -z "$said" ] || echo "$said"
  done <<<"$QUERY"
}

main() {
  command -v k3s >/dev/null || return 0
  wait_for 120 serving || api_away "The API on $(hostname) does not answer, so it is not known whether $KEY still keeps $KEEPS." "$(journal k3s)"
  local found; found=$(kept)
  [ -z "$found" ] || die "$KEY still keeps $KEEPS ($(wc -l <<<"$found")); it was not removed:" "$(head -n 10 <<<"$found")" \
    "Delete them, or allow the loss: \`homelab:platform.discard: [$KEY]\`, then \`pulumi up\`."
}
main </dev/null
