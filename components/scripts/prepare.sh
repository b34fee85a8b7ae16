# shellcheck shell=bash
# Makes a machine fit for K3s and keeps what it found, so that it can be put back.
# NODE ADDRESS INTERFACE ROLE ARCH PACKAGES SYSCTL MODULES VIP PEERS KEEPALIVED CHECK HAPROXY FIXED CLUSTER NOW

# put FILE MODE TEXT: write it, and remember it as it should stay. Sets `changed` as `write` does.
put() {
  write "$prepared$1" 600 <<<"$3"
  write "$1" "$2" <<<"$3"
}

# keep FILE: remember a file as it was before us.
keep() { if [ ! -e "$original$1" ] && [ -e "$1" ]; then copy "$1" "$original$1"; fi; }

check_owner() {
  case "$(owner)" in
    "$NODE") ;;
    '') check_unused ;;
    *) die "This machine is the node $(owner); it cannot be $NODE as well." \
      "To rename it: take $(owner) out of \`nodes\`, \`pulumi up\`, put $NODE in, \`pulumi up\`." ;;
  esac
}

# check_unused: K3s that somebody else set up here is neither given our token nor stopped.
check_unused() {
  ! has_data || die "K3s is set up here already, and not by this program; no changes were made." \
    "If it is to go: disable its service (k3s or k3s-agent) and reboot, for its uninstaller deletes what mounted volumes hold; then" \
    "  sudo k3s-uninstall.sh, or on an agent: sudo k3s-agent-uninstall.sh" \
    "If this machine is this cluster's $NODE and only lost $state:" \
    "  sudo mkdir -p $state && echo $NODE | sudo tee $state/node"
}

# claim: from now on the machine is this node of this cluster; scripts of another stack leave it alone.
claim() {
  if [ -n "${CLUSTER:-}" ]; then write $state/cluster 600 <<<"$CLUSTER"; fi
  write $state/node 600 <<<"$NODE"
}

check_machine() {
  [ "$(id -u)" = 0 ] || die "The script does not run as root: set \`ssh.sudo: true\`, or log in as root."
  [ -d /run/systemd/system ] || die "systemd does not run here; K3s is installed as a systemd service."
  command -v apt-get >/dev/null || die "$(sed -n 's/^PRETTY_NAME=//p' /etc/os-release) is not supported: Debian, Ubuntu and Raspberry Pi OS are."
  local found; found=$(architecture)
  [ -z "$ARCH" ] || [ "$ARCH" = "$found" ] || die "This machine is $found, but its \`arch\` says $ARCH."
  [ -n "$(ip -o addr show to "$ADDRESS")" ] || die "No interface here has the address $ADDRESS. Addresses:" "$(ip -br addr)"
  ip link show "$(device)" >/dev/null 2>&1 || die "There is no interface $(device) here:" "$(ip -br link)"
  local free; free=$(df --output=avail -m /var/lib | tail -n 1)
  [ "$free" -ge 1024 ] || die "Only $free MiB are free under /var/lib; K3s needs at least 1024 MiB:" "$(df -h /var/lib)"
}

set_identity() {
  if [ "$(cat /etc/hostname 2>/dev/null)" != "$NODE" ] || [ "$(hostname)" != "$NODE" ]; then
    say "naming the machine $NODE"
    keep /etc/hostname
    write /etc/hostname 644 <<<"$NODE"
    hostname "$NODE"
  fi
  if ! named "$NODE"; then
    keep /etc/hosts
    local others; others=$(without_own_name /etc/hosts) || die "/etc/hosts could not be read."
    write /etc/hosts 644 <<<"${others:+$others$'\n'}127.0.1.1 $NODE"
  fi
  [ -s /etc/machine-id ] && [ "$(cat /etc/machine-id)" != uninitialized ] || systemd-machine-id-setup >/dev/null 2>&1
}

set_kernel() {
  put /etc/modules-load.d/homelab.conf 644 "$MODULES"
  local module
  for module in $MODULES; do modprobe -q "$module" 2>/dev/null || true; done
  grep -qw overlay /proc/filesystems || die "This kernel has no overlay file system; containers need it."
  local file=/etc/sysctl.d/90-homelab.conf keys key
  keys=$(cut -d= -f1 <<<"$SYSCTL")
  [ -e "$original/sysctl.conf" ] || write $original/sysctl.conf 600 < <(current_sysctl)
  # what is set no more is as it was before
  for key in $(cut -d= -f1 "$prepared$file" 2>/dev/null | grep -vxF "$keys" || true); do
    grep -F "$key=" "$original/sysctl.conf" | xargs -r sysctl -q -e -w >/dev/null 2>&1 || true
  done
  put $file 644 "$SYSCTL"
  if [ "$changed" = yes ] || ! cmp -s <(for key in $keys; do sysctl -n "$key"; done) <(cut -d= -f2 <<<"$SYSCTL"); then
    local refused; refused=$(sysctl -q -p $file 2>&1) || die "The kernel refuses settings:" "$refused"
  fi
}

# current_sysctl: what the kernel has for the keys that we set.
current_sysctl() {
  local key
  for key in $keys; do printf '%s=%s\n' "$key" "$(sysctl -n "$key" 2>/dev/null || true)"; done | grep -v '=$' || true
}

enable_memory_cgroup() {
  if memory_cgroup; then rm -f $state/reboot-asked; return; fi
  local file boot line; boot=$(cat /proc/sys/kernel/random/boot_id)
  file=$(command_line)
  [ -n "$file" ] || die "The memory cgroup is off: boot the kernel with cgroup_enable=memory, then run \`pulumi up\` again."
  if [ -e $state/reboot-asked ] && [ "$(cat $state/reboot-asked)" != "$boot" ]; then
    die "The memory cgroup is still off after a reboot with cgroup_enable=memory in $file:" "$(cat "$file")" "The kernel runs with: $(cat /proc/cmdline)"
  fi
  if ! head -n 1 "$file" | grep -qw cgroup_enable=memory; then
    keep "$file"
    line=$(sed '1s/[[:space:]]*$/ cgroup_memory=1 cgroup_enable=memory/' "$file") || die "$file could not be read."
    write "$file" 644 <<<"$line"
  fi
  say "the memory cgroup is off: a reboot is needed"
  write $state/reboot-asked 600 <<<"$boot"
  flag reboot
}

# Certificates are refused when clocks disagree; NOW is the time where `pulumi up` runs.
behind() { tick; off=$((NOW + (now - started) / 100 - $(date +%s))); }
in_step() { local now off; behind; [ "${off#-}" -le 30 ]; }
check_clock() {
  local now off
  in_step && return
  timedatectl set-ntp true 2>/dev/null || true
  behind
  say "waiting for the clock to be set: it is off by ${off#-} s"
  wait_for 90 in_step || { behind; die "The clock here ($(date -u)) is off by ${off#-} s from that of the computer that runs Pulumi." "Give the machine a time server (timedatectl timesync-status), or set its clock."; }
}

# foreign UNIT FILE: somebody else wrote it, and not the package that it came with.
foreign() {
  ! ours "$2" && [ -s "$2" ] || return 1
  ! dpkg-query -W -f '${conffiles}\n' "$1" | grep -F " $2 $(md5sum <"$2" | cut -d' ' -f1)" >/dev/null
}

# set_service UNIT FILE VERB: it runs with standard input as its file; without any, as before us.
set_service() {
  local text; text=$(cat)
  [ -n "$text" ] || { end_service "$1" "$2"; return; }
  ! foreign "$1" "$2" || die "$1 has a configuration of its own here ($2): remove it, or choose another way to the API (\`api\`)."
  ours "$2" || [ ! -e "$2" ] || copy "$2" "$original$2"
  # a run that ends between the file and the restart leaves this note to the next
  cmp -s <(echo "$text") "$2" || write "$state/restart-$1" 600 <<<"$2"
  put "$2" 600 "$text"
  if [ -e "$state/restart-$1" ] || ! systemctl -q is-active "$1"; then
    say "starting $1"
    systemctl enable -q "$1"
    systemctl "$3" "$1" || die "$1 does not start:" "$(journal "$1")"
    rm -f "$state/restart-$1"
  fi
}

# neighbour HOST:PORT: the hardware address of whoever has that address in the network; nothing if nobody has.
neighbour() {
  local host=${1%:*}; host=${host//[\[\]]/}
  ip neigh flush to "$host" dev "$(device)"
  timeout 1 bash -c "exec 3<>/dev/tcp/$host/${1##*:}" 2>/dev/null || true
  ip neigh show to "$host" dev "$(device)" | sed -n 's/.* lladdr \([^ ]*\).*/\1/p'
}

# A stranger who has the virtual address would take for himself what all others ask it.
check_vip() {
  [ -n "$VIP" ] && ! ours $keepalived_conf || return 0
  local holder peer; holder=$(neighbour "$VIP")
  [ -n "$holder" ] || return 0
  for peer in $PEERS; do [ "$(neighbour "$peer")" != "$holder" ] || return 0; done
  ! speaks_k3s "$VIP" || return 0 # a server that another one replaces; nothing is told to whoever it is
  die "The virtual address ${VIP%:*} is taken: a machine with the hardware address $holder has it, and is no server of this cluster." \
    "Give \`api.vip\` a free address of the network, or that machine another one."
}

# A HAProxy that is reloaded and finds its port taken goes on as before, and says nothing.
set_endpoint() {
  local check=/etc/keepalived/homelab-check
  set_service haproxy $haproxy_conf restart <<<"$HAPROXY"
  if [ -n "$CHECK" ]; then put $check 700 "$CHECK"; fi
  set_service keepalived $keepalived_conf reload-or-restart <<<"${KEEPALIVED//@DEVICE@/$(device)}"
  if [ -z "$CHECK" ]; then rm -f $check $prepared$check; fi
}

main() {
  local changed started now
  tick; started=$now
  lock
  say "checking the machine"
  check_owner
  check_fixed
  check_machine
  claim
  rm -f $state/retired # a destroy that was not finished, and is no longer wanted
  # shellcheck disable=SC2086 # a list of names
  install_packages $PACKAGES
  check_vip
  set_identity
  set_kernel
  check_clock
  set_endpoint
  if systemctl -q is-active "$(unit)"; then flag member; fi
  enable_memory_cgroup
}
main </dev/null
