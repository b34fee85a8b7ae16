# shellcheck shell=bash
# Makes a machine fit for K3s and keeps what it found, so that it can be put back.
# NODE ADDRESS INTERFACE ROLE ARCH PACKAGES SYSCTL MODULES KEEPALIVED NOW

original=$state/original
prepared=$state/prepared

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

set_keepalived() {
  local conf=/etc/keepalived/keepalived.conf check=/etc/keepalived/homelab-check
  if [ -z "$KEEPALIVED" ]; then
    if grep -qs '^# homelab' $conf; then systemctl disable -q --now keepalived; rm -f $conf $check $prepared$conf $prepared$check; fi
    return
  fi
  if [ -s $conf ] && ! grep -q '^# homelab' $conf; then
    die "keepalived has a configuration of its own here ($conf): remove it, or use another API endpoint (api.by)."
  fi
  printf '%s\n' '#!/bin/sh' "cd $data/server/tls && exec curl -fsS -o /dev/null --max-time 3 --cacert server-ca.crt --cert client-admin.crt --key client-admin.key https://127.0.0.1:6443/readyz" |
    put $check 700 || true
  if put $conf 600 <<<"${KEEPALIVED//@DEVICE@/$(device)}" || ! systemctl -q is-active keepalived; then
    say "starting keepalived on $(device)"
    systemctl enable -q keepalived
    systemctl reload-or-restart keepalived || die "keepalived does not start:" "$(journal keepalived)"
  fi
}

main() {
  lock
  say "checking the machine"
  check_machine
  check_owner
  # shellcheck disable=SC2086 # a list of names
  install_packages $PACKAGES
  set_identity
  set_kernel
  check_clock
  set_keepalived
  if systemctl -q is-active "$(unit)"; then flag member; fi
  enable_memory_cgroup
}
main </dev/null
