# shellcheck shell=bash
# On a server, before a layer is removed: fail if the layer still has data of users.
# KEY KEEPS QUERY (arguments of kubectl get, one set per line)

# remaining_objects: print the names of the objects with data.
remaining_objects() {
  local line arguments output
  while IFS= read -r line; do
    [ -n "$line" ] || continue
    read -ra arguments <<<"$line"
    output=$(list_objects "${arguments[@]}") || die "It is unknown whether the layer $KEY still has $KEEPS, so it was not removed; run \`pulumi up\` again:" "$output"
    [ -z "$output" ] || echo "$output"
  done <<<"$QUERY"
}

main() {
  command -v k3s >/dev/null || return 0
  wait_for 120 api_ready || die_api_unavailable "The API on $(hostname) does not answer within 120 s, so it is unknown whether the layer $KEY still has $KEEPS; it was not removed." "$(journal k3s)"
  local objects; objects=$(remaining_objects)
  [ -z "$objects" ] || die "The layer $KEY still has $KEEPS ($(wc -l <<<"$objects")); it was not removed:" "$(head -n 10 <<<"$objects")" \
    "Delete them, or allow the loss: \`homelab:platform.discard: [$KEY]\`, then \`pulumi up\`."
}
main </dev/null
