# shellcheck shell=bash
# Uninstall K3s, server or agent, and delete its data. Before that, stop its processes and unmount all volumes below its
# folders, because the deletion of the folders would otherwise delete data in the volumes.

# remove_cilium: delete Cilium's interfaces before K3s, or the machine may lose its network. K3s's uninstaller does not
# remove Cilium's firewall rules either.
remove_cilium() {
  local link links tables rules
  links=$(ip -o link show | sed -nE 's/^[0-9]+: (cilium_[^:@]+).*/\1/p')
  # the second deletion of a veth pair fails, because the first one has deleted both interfaces
  for link in $links; do ip link delete "$link" 2>/dev/null || true; done
  for tables in iptables ip6tables; do
    rules=$("$tables-save" 2>/dev/null || true)
    if grep -qi cilium <<<"$rules"; then grep -iv cilium <<<"$rules" | "$tables-restore" || true; fi
  done
  rm -f /etc/cni/net.d/*cilium*
}

inactive() { [ -z "$(active)" ]; }
active() { local service; for service in k3s k3s-agent; do if systemctl -q is-active "$service"; then echo "$service"; fi; done; }

stop_k3s() {
  local service
  for service in k3s k3s-agent; do
    if ! systemctl cat "$service" >/dev/null 2>&1; then continue; fi
    say "stopping $service"
    systemctl disable -q "$service" 2>/dev/null || true
    timeout 180 systemctl stop "$service" || systemctl kill -s KILL "$service" || true
  done
  wait_for 30 inactive || die "K3s did not stop; nothing was removed. Stop it, then run \`pulumi up\` again:" "$(active)" "$(journal "$(active | head -n 1)")"
}

# containers: print the process IDs of K3s's containers and their shims.
containers() {
  ps -e -o pid= -o ppid= -o args= | awk '
    { parent[$1] = $2; if (/containerd-shim/ && /\/run\/k3s\/containerd/) shim[$1] = 1 }
    END { for (pid in parent) for (up = pid; up in parent; up = parent[up]) if (up in shim) { print pid; break } }'
}

ended() { [ -z "$(containers)" ]; }

# signal NAME: send a signal to all containers; some may have ended already.
signal() { local pids; pids=$(containers); [ -z "$pids" ] || xargs kill -s "$1" <<<"$pids" 2>/dev/null || true; }

end_containers() {
  [ -n "$(containers)" ] || return 0
  say "stopping its containers"
  signal TERM
  wait_for 15 ended || signal KILL
  wait_for 30 ended || die "Containers of K3s did not end within 45 s; nothing was removed. End these processes, then run \`pulumi up\` again:" "$(ps -o pid,args -p "$(containers | paste -sd,)" 2>&1)"
}

# mounts: print the mounts below K3s's folders with their type, the deepest first; not mounts of the folders themselves.
# Symbolic links are resolved, because a folder may have been moved to another disk, and the kernel lists real paths.
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

# unmount_all [yes]: try once to unmount all. With `yes`, mounts of network file systems are detached, which loses no data
# and does not wait for a lost file server.
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
    die "These mounts are still in use after 60 s; nothing was removed, because their data would be deleted, too:" "$(mounts)" \
      "Find the processes that use them with \`fuser -vm PATH\` and stop them; then run \`pulumi up\` again."
}

# data_folders: print K3s's folders of data. If the data folder is a link, its target may contain other files as well.
data_folders() {
  local real; real=$(readlink -m $data)
  if [ -L $data ]; then printf '%s\n' "$real"/{agent,data,server,storage}; else echo "$real"; fi
}

# empty FOLDER: delete a folder and its contents; a disk that is mounted there is emptied and stays mounted.
empty() {
  [ -d "$1" ] || return 0
  [ -z "$(active)$(mounts)" ] || die "K3s was started during its removal, so its data in $1 were not deleted; run \`pulumi up\` again:" "$(active)" "$(mounts)"
  find "$1" -xdev -mindepth 1 -delete 2>/dev/null || true
  local remaining; remaining=$(find "$1" -xdev -mindepth 1 ! -type d)
  [ -z "$remaining" ] || die "These files could not be deleted; delete them, then run \`pulumi up\` again:" "$(head -n 5 <<<"$remaining")"
  rmdir "$1" 2>/dev/null || true
}

run_uninstallers() {
  local service log; log=$(mktemp)
  for service in k3s k3s-agent; do
    [ -x "/usr/local/bin/$service-uninstall.sh" ] || continue
    say "uninstalling $service"
    "/usr/local/bin/$service-uninstall.sh" >"$log" 2>&1 || die "K3s's uninstaller failed on $(hostname):" "$(tail -n 15 "$log")"
  done
  rm -f "$log"
}

# remove_rest: delete the files that an interrupted uninstaller, which deletes itself early, may have left.
remove_rest() {
  local service tool
  for service in k3s k3s-agent; do rm -f "/etc/systemd/system/$service.service" "/etc/systemd/system/$service.service.env"; done
  rm -f /usr/local/bin/k3s /usr/local/bin/k3s.homelab-new /usr/local/bin/k3s-killall.sh
  for tool in kubectl crictl ctr; do if [ "$(readlink "/usr/local/bin/$tool")" = k3s ]; then rm -f "/usr/local/bin/$tool"; fi; done
  rm -rf /etc/rancher/k3s /etc/rancher/node
  rm -f /etc/systemd/logind.conf.d/99-kubelet.conf # with this file, the kubelet may delay a shutdown
  rmdir /etc/systemd/logind.conf.d 2>/dev/null || true
  rmdir /etc/rancher 2>/dev/null || true
  systemctl daemon-reload
}

check_gone() {
  local remaining; remaining=$(active; mounts; compgen -G '/usr/local/bin/k3s' || true; compgen -G '/usr/local/bin/k3s-*uninstall.sh' || true)
  [ -z "$remaining" ] || die "These parts of K3s were not removed:" "$remaining" "Remove them manually, then run \`pulumi up\` again."
}

main() {
  lock
  remove_cilium
  stop_k3s
  end_containers
  unmount_volumes
  local folders folder
  mapfile -t folders < <(data_folders) # read first, because an uninstaller may delete the link
  for folder in "${folders[@]}"; do empty "$folder"; done
  run_uninstallers
  for folder in "${folders[@]}"; do empty "$folder"; done # the uninstaller creates some folders again
  remove_rest
  check_gone
}
main </dev/null
