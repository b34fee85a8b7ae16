# shellcheck shell=bash
# Prepare a machine for K3s, and store the original files, so that they can be restored.
# NODE ADDRESS INTERFACE ROLE ARCH PACKAGES SYSCTL MODULES VIP PEERS KEEPALIVED CHECK HAPROXY FIXED CLUSTER NOW

# put FILE MODE TEXT: write the file, and a copy for the drift check. Sets `changed` as `write_atomically` does.
put() {
  write_atomically "$prepared_files$1" 600 <<<"$3"
  write_atomically "$1" "$2" <<<"$3"
}

# keep FILE: store the original of a file, once.
keep() { if [ ! -e "$originals$1" ] && [ -e "$1" ]; then copy_atomically "$1" "$originals$1"; fi; }

check_owner() {
  case "$(prepared_node)" in
    "$NODE") ;;
    '') check_unused ;;
    *) die "This machine is the node $(prepared_node); it cannot be $NODE as well." \
      "To rename the node: remove $(prepared_node) from \`nodes\`, \`pulumi up\`, add $NODE, \`pulumi up\`." ;;
  esac
}

# check_unused: refuse to stop a K3s that homelab did not install, or to send the cluster's token to it.
check_unused() {
  ! has_k3s_data || die "K3s is installed on this machine already, and not by homelab; no changes were made." \
    "To remove it: disable its service (k3s or k3s-agent) and reboot, because its uninstaller deletes the data of mounted volumes; then" \
    "  sudo k3s-uninstall.sh, or on an agent: sudo k3s-agent-uninstall.sh" \
    "If this machine is $NODE of this cluster and only lost $state:" \
    "  sudo mkdir -p $state && echo $NODE | sudo tee $state/node"
}

# claim: record that the machine is this node of this cluster; scripts of another stack will not change it.
claim() {
  if [ -n "${CLUSTER:-}" ]; then write_atomically $state/cluster 600 <<<"$CLUSTER"; fi
  write_atomically $state/node 600 <<<"$NODE"
}

check_machine() {
  [ "$(id -u)" = 0 ] || die "The script does not run as root: set \`ssh.sudo: true\`, or log in as root."
  [ -d /run/systemd/system ] || die "systemd does not run on this machine, but K3s is installed as a systemd service: use a system that boots with systemd."
  command -v apt-get >/dev/null || die "$(sed -n 's/^PRETTY_NAME=//p' /etc/os-release) is not supported: install Debian, Ubuntu or Raspberry Pi OS."
  local actual; actual=$(architecture)
  [ -z "$ARCH" ] || [ "$ARCH" = "$actual" ] || die "This machine is $actual, but its \`arch\` in the stack file is $ARCH."
  [ -n "$(ip -o addr show to "$ADDRESS")" ] || die "No interface of this machine has the address $ADDRESS; correct \`address\`. Addresses:" "$(ip -br addr)"
  ip link show "$(network_interface)" >/dev/null 2>&1 || die "This machine has no interface $(network_interface); correct \`interface\`. Interfaces:" "$(ip -br link)"
  local free; free=$(df --output=avail -m /var/lib | tail -n 1)
  [ "$free" -ge 1024 ] || die "Only $free MiB are free under /var/lib; K3s needs at least 1024 MiB. Free some disk space:" "$(df -h /var/lib)"
}

set_identity() {
  if [ "$(cat /etc/hostname 2>/dev/null)" != "$NODE" ] || [ "$(hostname)" != "$NODE" ]; then
    say "setting the host name $NODE"
    keep /etc/hostname
    write_atomically /etc/hostname 644 <<<"$NODE"
    hostname "$NODE"
  fi
  if ! has_hosts_entry "$NODE"; then
    keep /etc/hosts
    local others; others=$(hosts_without_own_name /etc/hosts) || die "/etc/hosts could not be read."
    write_atomically /etc/hosts 644 <<<"${others:+$others$'\n'}127.0.1.1 $NODE"
  fi
  [ -s /etc/machine-id ] && [ "$(cat /etc/machine-id)" != uninitialized ] || systemd-machine-id-setup >/dev/null 2>&1
}

set_kernel() {
  put /etc/modules-load.d/homelab.conf 644 "$MODULES"
  load_modules
  [ "$reboots" = yes ] || grep -qw overlay /proc/filesystems || die "This kernel has no overlay file system, which containers need: install a kernel with it."
  local file=/etc/sysctl.d/90-homelab.conf keys key
  keys=$(cut -d= -f1 <<<"$SYSCTL")
  [ -e "$originals/sysctl.conf" ] || write_atomically $originals/sysctl.conf 600 < <(current_sysctl)
  # restore the original value of settings that are no longer set
  for key in $(cut -d= -f1 "$prepared_files$file" 2>/dev/null | grep -vxF "$keys" || true); do
    grep -F "$key=" "$originals/sysctl.conf" | xargs -r sysctl -q -e -w >/dev/null 2>&1 || true
  done
  put $file 644 "$SYSCTL"
  if [ "$changed" = yes ] || ! cmp -s <(for key in $keys; do sysctl -n "$key"; done) <(cut -d= -f2 <<<"$SYSCTL"); then
    local refused; refused=$(sysctl -q -p $file 2>&1) || die "The kernel rejects these sysctl settings; correct them in the stack file:" "$refused"
  fi
}

# current_sysctl: print the kernel's current values of the keys that homelab sets.
current_sysctl() {
  local key
  for key in $keys; do printf '%s=%s\n' "$key" "$(sysctl -n "$key" 2>/dev/null || true)"; done | grep -v '=$' || true
}

# load_modules: load the kernel modules, and check that the kernel has them. After an update of the kernel, the modules of
# the running kernel can be missing until the next reboot.
load_modules() {
  local module missing=() kernel package; kernel=$(uname -r)
  for module in $MODULES; do modprobe -q "$module" 2>/dev/null || has_module "$module" || missing+=("$module"); done
  [ "${#missing[@]}" -gt 0 ] && ! is_container || return 0
  if kernel_was_updated; then
    ! rebooted_in_vain || die "The running kernel $kernel has no modules (${missing[*]}) even after a reboot. Kernels with modules: $(cd /lib/modules && echo *)" \
      "Find out which kernel the machine boots, and install its modules."
    request_reboot "the kernel was updated, and the modules of the running kernel $kernel are gone (${missing[*]})"
    return
  fi
  package=$(module_package)
  die "The kernel $kernel of $NODE lacks modules that K3s or a layer needs: ${missing[*]}" \
    "Install ${package:-a kernel with these modules} on the machine, then run \`pulumi up\` again."
}

# request_reboot REASON: raise the flag `reboot`, and note the current boot.
request_reboot() {
  say "$1: a reboot is needed"
  reboots=yes
  write_atomically $state/reboot-asked 600 </proc/sys/kernel/random/boot_id
  raise_flag reboot
}

# rebooted_in_vain: succeed if the machine was rebooted since the request for a reboot.
rebooted_in_vain() { [ -e $state/reboot-asked ] && ! cmp -s $state/reboot-asked /proc/sys/kernel/random/boot_id; }

enable_memory_cgroup() {
  ! memory_cgroup || return 0
  local file line
  file=$(command_line)
  [ -n "$file" ] || die "The memory cgroup is disabled: boot the kernel with cgroup_enable=memory, then run \`pulumi up\` again."
  if rebooted_in_vain; then
    die "The memory cgroup is still disabled after a reboot with cgroup_enable=memory in $file:" "$(cat "$file")" \
      "The kernel's command line: $(cat /proc/cmdline)"
  fi
  if ! head -n 1 "$file" | grep -qw cgroup_enable=memory; then
    keep "$file"
    line=$(sed '1s/[[:space:]]*$/ cgroup_memory=1 cgroup_enable=memory/' "$file") || die "$file could not be read."
    write_atomically "$file" 644 <<<"$line"
  fi
  request_reboot "the memory cgroup is disabled"
}

# behind: set `off` to the number of seconds by which this machine's clock is behind the clock of the workstation. The
# workstation set NOW when it started this script. TLS fails if the clocks differ too much.
behind() { read_uptime; off=$((NOW + (now - started) / 100 - $(date +%s))); }
in_step() { local now off; behind; [ "${off#-}" -le 30 ]; }
check_clock() {
  local now off
  in_step && return
  timedatectl set-ntp true 2>/dev/null || true
  behind
  say "waiting for the clock to be set: it is off by ${off#-} s"
  wait_for 90 in_step || { behind; die "The clock of this machine ($(date -u)) differs by ${off#-} s from the clock of your workstation." \
    "Configure a time server on the machine (timedatectl timesync-status), or set its clock."; }
}

# foreign UNIT FILE: succeed if neither homelab nor the package of the service wrote the file.
foreign() {
  ! is_managed "$2" && [ -s "$2" ] || return 1
  ! dpkg-query -W -f '${conffiles}\n' "$1" | grep -F " $2 $(md5sum <"$2" | cut -d' ' -f1)" >/dev/null
}

# set_service UNIT FILE VERB: write standard input to the configuration FILE of the service, and run the service. If
# standard input is empty, stop the service and restore FILE.
set_service() {
  local text; text=$(cat)
  [ -n "$text" ] || { stop_managed_service "$1" "$2"; return; }
  ! foreign "$1" "$2" || die "$1 has a configuration that homelab did not write ($2): remove the file, or choose another API endpoint (\`api\`)."
  is_managed "$2" || [ ! -e "$2" ] || copy_atomically "$2" "$originals$2"
  # if this run is interrupted after it has written FILE, this marker makes the next run restart the service
  cmp -s <(echo "$text") "$2" || write_atomically "$state/restart-$1" 600 <<<"$2"
  put "$2" 600 "$text"
  if [ -e "$state/restart-$1" ] || ! systemctl -q is-active "$1"; then
    say "starting $1"
    systemctl enable -q "$1"
    systemctl "$3" "$1" || die "$1 does not start; fix the cause, then run \`pulumi up\` again:" "$(journal "$1")"
    rm -f "$state/restart-$1"
  fi
}

# neighbour HOST:PORT: print the MAC address of the machine with that IP address; nothing if there is none.
neighbour() {
  local host=${1%:*}; host=${host//[\[\]]/}
  ip neigh flush to "$host" dev "$(network_interface)"
  timeout 1 bash -c "exec 3<>/dev/tcp/$host/${1##*:}" 2>/dev/null || true
  ip neigh show to "$host" dev "$(network_interface)" | sed -n 's/.* lladdr \([^ ]*\).*/\1/p'
}

# check_vip: refuse a virtual IP that an unrelated machine has, which would receive the requests to the API.
check_vip() {
  [ -n "$VIP" ] && ! is_managed $keepalived_conf || return 0
  local holder peer; holder=$(neighbour "$VIP")
  [ -n "$holder" ] || return 0
  for peer in $PEERS; do [ "$(neighbour "$peer")" != "$holder" ] || return 0; done
  ! any_k3s_answers "$VIP" || return 0 # probably a server that is being replaced; nothing is sent to it here
  die "The virtual IP ${VIP%:*} is in use by a machine with the MAC address $holder, which is not a server of this cluster." \
    "Set \`api.vip\` to a free address of the subnet, or change the address of that machine."
}

# set_keepalived_unit: let systemd start keepalived as soon as the machine has its address. keepalived ends for good if the
# address or its interface does not exist yet, as with a network card that the kernel finds late.
set_keepalived_unit() {
  if [ -n "$KEEPALIVED" ]; then
    put $keepalived_unit 644 "[Unit]
StartLimitIntervalSec=0
[Service]
ExecStartPre=/bin/sh -c 'ip -o addr show to $ADDRESS | grep -q .'
Restart=always
RestartSec=2"
  else
    rm -f $keepalived_unit $prepared_files$keepalived_unit
    rmdir ${keepalived_unit%/*} 2>/dev/null || true
  fi
  [ "$(systemctl show -p NeedDaemonReload --value keepalived 2>/dev/null)" != yes ] || systemctl daemon-reload
}

# HAProxy is restarted, because a reload that finds its port in use keeps the old configuration without an error.
set_endpoint() {
  local check=/etc/keepalived/homelab-check
  set_service haproxy $haproxy_conf restart <<<"$HAPROXY"
  if [ -n "$CHECK" ]; then put $check 700 "$CHECK"; fi
  set_keepalived_unit
  set_service keepalived $keepalived_conf reload-or-restart <<<"${KEEPALIVED//@DEVICE@/$(network_interface)}"
  if [ -z "$CHECK" ]; then rm -f $check $prepared_files$check; fi
}

main() {
  local changed started now reboots=no
  read_uptime; started=$now
  lock
  say "checking the machine"
  check_owner
  refuse_immutable_changes
  check_machine
  claim
  rm -f $state/retired # `pulumi up` cancels an unfinished destroy
  # shellcheck disable=SC2086 # a list of names
  install_packages $PACKAGES
  check_vip
  set_identity
  set_kernel
  check_clock
  set_endpoint
  if systemctl -q is-active "$(unit)"; then raise_flag member; fi
  enable_memory_cgroup
  [ "$reboots" = yes ] || rm -f $state/reboot-asked
}
main </dev/null
