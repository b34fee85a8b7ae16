# shellcheck shell=bash
# Removes K3s with its own uninstaller, and what it leaves.
# ROLE

# Cilium's interfaces go before K3s does, or the machine may lose its network; K3s does not know its rules either.
remove_cilium() {
  local link links tables rules
  links=$(ip -o link show | sed -nE 's/^[0-9]+: (cilium_[^:@]+).*/\1/p')
  for link in $links; do ip link delete "$link" 2>/dev/null || true; done # some go in pairs
  for tables in iptables ip6tables; do
    rules=$("$tables-save" 2>/dev/null || true)
    if grep -qi cilium <<<"$rules"; then grep -iv cilium <<<"$rules" | "$tables-restore" || true; fi
  done
  rm -f /etc/cni/net.d/*cilium*
}

# empty FOLDER: it and all in it; a disk that is mounted there stays, with nothing on it.
empty() {
  [ -d "$1" ] || return 0
  find "$1" -xdev -mindepth 1 -delete 2>/dev/null || true # below it there may be such disks as well
  local left; left=$(find "$1" -xdev -mindepth 1 ! -type d)
  [ -z "$left" ] || die "These could not be removed:" "$(head -n 5 <<<"$left")"
  rmdir "$1" 2>/dev/null || true
}

main() {
  lock
  local uninstaller log
  uninstaller=/usr/local/bin/$(unit)-uninstall.sh log=$(mktemp)
  remove_cilium
  if [ -x "$uninstaller" ]; then
    say "uninstalling K3s"
    "$uninstaller" >"$log" 2>&1 || die "K3s' uninstaller failed:" "$(tail -n 15 "$log")"
  fi
  rm -rf "$log" /etc/rancher /usr/local/bin/.k3s.new
  empty $data
}
main </dev/null
