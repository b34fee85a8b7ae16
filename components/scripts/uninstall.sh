# shellcheck shell=bash
# Removes K3s with its own uninstaller, and what it leaves.
# ROLE

main() {
  lock
  local uninstaller log
  uninstaller=/usr/local/bin/$(unit)-uninstall.sh log=$(mktemp)
  if [ -x "$uninstaller" ]; then
    say "uninstalling K3s"
    "$uninstaller" >"$log" 2>&1 || die "K3s' uninstaller failed:" "$(tail -n 15 "$log")"
  fi
  rm -rf "$log" /etc/rancher /usr/local/bin/.k3s.new
  rm -rf ${data:?}
}
main </dev/null
