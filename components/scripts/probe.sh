# shellcheck shell=bash
# Says what differs from what was applied, a line each; nothing if all is as it should be.
# ROLE VERSION

main() {
  [ -e $state/applied ] || { echo "K3s was not installed by homelab, or its files are gone"; return; }
  systemctl -q is-active "$(unit)" || echo "$(unit) is $(systemctl is-active "$(unit)" || true)"
  cmp -s "$state/k3s/$VERSION/k3s" /usr/local/bin/k3s || echo "/usr/local/bin/k3s is not the program of $VERSION"
  local file
  for file in config.yaml registries.yaml token; do
    cmp -s "$state/staged/$file" "$etc/$file" || echo "$etc/$file was changed by hand"
  done
}
main </dev/null
