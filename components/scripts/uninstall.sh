# shellcheck shell=bash
# Removes K3s, whichever role it was installed in, and its data: once nothing of it runs and nothing is mounted below its
# folders, so that no volume loses what is in it.

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

inactive() { [ -z "$(active)" ]; }
active() { local each; for each in k3s k3s-agent; do if systemctl -q is-active "$each"; then echo "$each"; fi; done; }

stop_k3s() {
  local each
  for each in k3s k3s-agent; do
    if ! systemctl cat "$each" >/dev/null 2>&1; then continue; fi
    say "stopping $each"
    systemctl disable -q "$each" 2>/dev/null || true
    timeout 180 systemctl stop "$each" || systemctl kill -s KILL "$each" || true
  done
  wait_for 30 inactive || die "K3s does not stop; nothing was removed:" "$(active)" "$(journal "$(active | head -n 1)")"
}

# containers: process ids of K3s' containers, the shims that keep them included.
containers() {
  ps -e -o pid= -o ppid= -o args= | awk '
    { parent[$1] = $2; if (/containerd-shim/ && /\/run\/k3s\/containerd/) shim[$1] = 1 }
    END { for (pid in parent) for (up = pid; up in parent; up = parent[up]) if (up in shim) { print pid; break } }'
}

ended() { [ -z "$(containers)" ]; }

# signal NAME: to all containers; some may have ended by themselves.
signal() { local pids; pids=$(containers); [ -z "$pids" ] || xargs kill -s "$1" <<<"$pids" 2>/dev/null || true; }

end_containers() {
  [ -n "$(containers)" ] || return 0
  say "ending its containers"
  signal TERM
  wait_for 15 ended || signal KILL
  wait_for 30 ended || die "Containers do not end; nothing was removed:" "$(ps -o pid,args -p "$(containers | paste -sd,)" 2>&1)"
}

# mounts: what is mounted below K3s' folders, the deepest first, with its type. A disk that one of these folders is on stays.
# The kernel knows them by their real names: somebody may have moved one to another disk and left a link.
mounts() {
  local path type folders folder
  mapfile -t folders < <(readlink -m $data /run/k3s /var/lib/kubelet)
  while read -r _ path type _; do
    path=$(printf '%b' "$path")
    for folder in "${folders[@]}"; do
      case $path in "$folder"/*) printf '%s\t%s\n' "$path" "$type" ;; esac
    done
  done </proc/self/mounts | sort -r
}

# unmount_all: once; a server of files that is gone would keep its mount forever, and to detach that loses nothing.
unmount_all() {
  local path type lazy=${1:-}
  while IFS=$'\t' read -r path type; do
    case $lazy/$type in
      yes/nfs* | yes/cifs | yes/ceph | yes/fuse*) timeout 20 umount -f -l "$path" || true ;;
      *) timeout 20 umount "$path" || true ;;
    esac
  done < <(mounts)
  [ -z "$(mounts)" ]
}

unmount_volumes() {
  [ -n "$(mounts)" ] || return 0
  say "unmounting its volumes"
  wait_for 60 unmount_all || unmount_all yes ||
    die "These are still mounted and in use; nothing was removed, as what is in them would go, too:" "$(mounts)" \
      "See who uses them: fuser -vm PATH. End that, then run it again."
}

# data_folders: what K3s has. A link may lead to a disk that holds more.
data_folders() {
  local real; real=$(readlink -m $data)
  if [ -L $data ]; then printf '%s\n' "$real"/{agent,data,server,storage}; else echo "$real"; fi
}

# empty FOLDER: it and all in it; a disk that is mounted there stays, with nothing on it.
empty() {
  [ -d "$1" ] || return 0
  [ -z "$(active)$(mounts)" ] || die "K3s came back while it was removed, so its data in $1 stay:" "$(active)" "$(mounts)"
  find "$1" -xdev -mindepth 1 -delete 2>/dev/null || true
  local left; left=$(find "$1" -xdev -mindepth 1 ! -type d)
  [ -z "$left" ] || die "These could not be removed:" "$(head -n 5 <<<"$left")"
  rmdir "$1" 2>/dev/null || true
}

run_uninstallers() {
  local each log; log=$(mktemp)
  for each in k3s k3s-agent; do
    [ -x "/usr/local/bin/$each-uninstall.sh" ] || continue
    say "uninstalling $each"
    "/usr/local/bin/$each-uninstall.sh" >"$log" 2>&1 || die "K3s' uninstaller failed:" "$(tail -n 15 "$log")"
  done
  rm -f "$log"
}

# An uninstaller that was killed may have removed itself first.
remove_rest() {
  local each
  for each in k3s k3s-agent; do rm -f "/etc/systemd/system/$each.service" "/etc/systemd/system/$each.service.env"; done
  rm -f /usr/local/bin/k3s /usr/local/bin/k3s.homelab-new /usr/local/bin/k3s-killall.sh
  for each in kubectl crictl ctr; do if [ "$(readlink "/usr/local/bin/$each")" = k3s ]; then rm -f "/usr/local/bin/$each"; fi; done
  rm -rf /etc/rancher/k3s /etc/rancher/node
  rmdir /etc/rancher 2>/dev/null || true
  systemctl daemon-reload
}

check_gone() {
  local left; left=$(active; mounts; compgen -G '/usr/local/bin/k3s' || true; compgen -G '/usr/local/bin/k3s-*uninstall.sh' || true)
  [ -z "$left" ] || die "Of K3s this is still there:" "$left" "Remove it by hand, then run it again."
}

main() {
  lock
  remove_cilium
  stop_k3s
  end_containers
  unmount_volumes
  local all each
  mapfile -t all < <(data_folders) # an uninstaller may remove the link
  for each in "${all[@]}"; do empty "$each"; done
  run_uninstallers
  for each in "${all[@]}"; do empty "$each"; done # the uninstaller makes some of it again
  remove_rest
  check_gone
}
main </dev/null
