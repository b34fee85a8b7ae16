# shellcheck shell=bash
# Makes a machine fit for K3s and keeps what it found, so that it can be put back.
# NODE ADDRESS INTERFACE ROLE ARCH PACKAGES SYSCTL MODULES VIP PEERS KEEPALIVED CHECK HAPROXY NOW

# put FILE MODE: write it, and remember it as it should stay. Succeeds if the file changed, else returns 1.
put() {
  local text; text=$(cat; echo .)
  printf %s "${text%.}" | write "$prepared$1" 600 || true
  printf %s "${text%.}" | write "$1" "$2"
}

keep() { # keep FILE: remember a file as it was before us
  [ -e "$original$1" ] || [ ! -e "$1" ] || { mkdir -p "$(dirname "$original$1")" && cp -a "$1" "$original$1"; }
}

check_owner() {
  case "$(owner)" in
    '' | "$NODE") echo "$NODE" | write $state/node 600 || true ;;
    *) die "This machine is the node $(owner); it cannot be $NODE as well." \
      "To rename it: take $(owner) out of \`nodes\`, \`pulumi up\`, put $NODE in, \`pulumi up\`." ;;
  esac
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
    echo "$NODE" | write /etc/hostname 644 || true
    hostname "$NODE"
  fi
  if ! named "$NODE"; then
    keep /etc/hosts
    { grep -v '^127\.0\.1\.1[[:space:]]' /etc/hosts; echo "127.0.1.1 $NODE"; } | write /etc/hosts 644 || true
  fi
  [ -s /etc/machine-id ] && [ "$(cat /etc/machine-id)" != uninitialized ] || systemd-machine-id-setup >/dev/null 2>&1
}

set_kernel() {
  put /etc/modules-load.d/homelab.conf 644 <<<"$MODULES" || true
  local module
  for module in $MODULES; do modprobe -q "$module" 2>/dev/null || true; done
  grep -qw overlay /proc/filesystems || die "This kernel has no overlay file system; containers need it."
  local file=/etc/sysctl.d/90-homelab.conf keys key
  keys=$(cut -d= -f1 <<<"$SYSCTL")
  [ -e "$original/sysctl.conf" ] || {
    mkdir -p "$original"
    for key in $keys; do printf '%s=%s\n' "$key" "$(sysctl -n "$key" 2>/dev/null || true)"; done | grep -v '=$' >"$original/sysctl.conf" || true
  }
  # what is set no more is as it was before
  for key in $(cut -d= -f1 "$prepared$file" 2>/dev/null | grep -vxF "$keys" || true); do
    grep -F "$key=" "$original/sysctl.conf" | xargs -r sysctl -q -e -w >/dev/null 2>&1 || true
  done
  if put $file 644 <<<"$SYSCTL" || ! cmp -s <(for key in $keys; do sysctl -n "$key"; done) <(cut -d= -f2 <<<"$SYSCTL"); then
    local refused; refused=$(sysctl -q -p $file 2>&1) || die "The kernel refuses settings:" "$refused"
  fi
}

enable_memory_cgroup() {
  if memory_cgroup; then rm -f $state/reboot-asked; return; fi
  local file boot; boot=$(cat /proc/sys/kernel/random/boot_id)
  file=$(command_line)
  [ -n "$file" ] || die "The memory cgroup is off: boot the kernel with cgroup_enable=memory, then run \`pulumi up\` again."
  if [ -e $state/reboot-asked ] && [ "$(cat $state/reboot-asked)" != "$boot" ]; then
    die "The memory cgroup is still off after a reboot with cgroup_enable=memory in $file:" "$(cat "$file")" "The kernel runs with: $(cat /proc/cmdline)"
  fi
  if ! head -n 1 "$file" | grep -qw cgroup_enable=memory; then
    keep "$file"
    sed '1s/[[:space:]]*$/ cgroup_memory=1 cgroup_enable=memory/' "$file" | write "$file" 644 || true
  fi
  say "the memory cgroup is off: a reboot is needed"
  echo "$boot" >$state/reboot-asked
  flag reboot
}

# Certificates are refused when clocks disagree; NOW is the time where `pulumi up` runs.
in_step() { local off=$(($(date +%s) - NOW - SECONDS)); [ "${off#-}" -le 30 ]; }
check_clock() {
  in_step && return
  timedatectl set-ntp true 2>/dev/null || true
  say "waiting for the clock to be set: it is off by $(($(date +%s) - NOW - SECONDS)) s"
  wait_for 90 in_step || die "The clock here ($(date -u)) is off from the computer that runs Pulumi ($(date -u -d "@$((NOW + SECONDS))"))." "Give the machine a time server (timedatectl timesync-status), or set its clock."
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
  ours "$2" || keep "$2"
  if put "$2" 600 <<<"$text" || ! systemctl -q is-active "$1"; then
    say "starting $1"
    systemctl enable -q "$1"
    systemctl "$3" "$1" || die "$1 does not start:" "$(journal "$1")"
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
  ! answers "$VIP" || return 0 # a server that another one replaces
  die "The virtual address ${VIP%:*} is taken: a machine with the hardware address $holder has it, and is no server of this cluster." \
    "Give \`api.vip\` a free address of the network, or that machine another one."
}

# A HAProxy that is reloaded and finds its port taken goes on as before, and says nothing.
set_endpoint() {
  local check=/etc/keepalived/homelab-check
  set_service haproxy $haproxy_conf restart <<<"$HAPROXY"
  if [ -n "$CHECK" ]; then put $check 700 <<<"$CHECK" || true; fi
  set_service keepalived $keepalived_conf reload-or-restart <<<"${KEEPALIVED//@DEVICE@/$(device)}"
  if [ -z "$CHECK" ]; then rm -f $check $prepared$check; fi
}

main() {
  lock
  say "checking the machine"
  check_machine
  check_owner
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
