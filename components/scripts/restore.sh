# shellcheck shell=bash
# Puts a machine back as it was before it was prepared, packages aside.

main() {
  lock
  say "putting the machine back as it was"
  end_service keepalived $keepalived_conf
  end_service haproxy $haproxy_conf
  rm -f /etc/keepalived/homelab-check /etc/sysctl.d/90-homelab.conf /etc/modules-load.d/homelab.conf
  if [ -s $original/sysctl.conf ]; then sysctl -q -e -p $original/sysctl.conf >/dev/null 2>&1 || true; fi
  local file
  for file in /etc/hostname /etc/hosts /boot/firmware/cmdline.txt /boot/cmdline.txt; do
    if [ -e "$original$file" ]; then cat "$original$file" >"$file"; fi
  done
  if [ -e $original/etc/hostname ]; then hostname "$(cat /etc/hostname)"; fi
  rm -rf $state
}
main </dev/null
