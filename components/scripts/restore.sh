# shellcheck shell=bash
# Puts a machine back as it was before it was prepared, packages aside.

original=$state/original

main() {
  lock
  say "putting the machine back as it was"
  if grep -qs '^# homelab' /etc/keepalived/keepalived.conf; then systemctl disable -q --now keepalived; fi
  if [ -e /etc/keepalived/homelab-check ]; then rm -f /etc/keepalived/keepalived.conf /etc/keepalived/homelab-check; fi
  rm -f /etc/sysctl.d/90-homelab.conf /etc/modules-load.d/homelab.conf
  if [ -s $original/sysctl.conf ]; then sysctl -q -e -p $original/sysctl.conf >/dev/null 2>&1 || true; fi
  local file
  for file in /etc/hostname /etc/hosts /boot/firmware/cmdline.txt /boot/cmdline.txt; do
    if [ -e "$original$file" ]; then cat "$original$file" >"$file"; fi
  done
  if [ -e $original/etc/hostname ]; then hostname "$(cat /etc/hostname)"; fi
  rm -rf $state
}
main </dev/null
