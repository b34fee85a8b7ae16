# shellcheck shell=bash
# Undo the preparation of the machine, except for packages. Changes that others made since then stay.

# restore_hostname: restore the original host name, unless it was changed since then.
restore_hostname() {
  [ -e $originals/etc/hostname ] && [ "$(cat /etc/hostname 2>/dev/null)" = "$(prepared_node)" ] || return 0
  hostname "$(cat $originals/etc/hostname)"
  copy_atomically $originals/etc/hostname /etc/hostname
}

# restore_hosts: replace homelab's entry for the machine's own name by the original one.
restore_hosts() {
  local others own
  [ -e $originals/etc/hosts ] && has_hosts_entry "$(prepared_node)" || return 0
  others=$(hosts_without_own_name /etc/hosts) || die "/etc/hosts could not be read."
  if [ "$others" = "$(hosts_without_own_name $originals/etc/hosts)" ]; then copy_atomically $originals/etc/hosts /etc/hosts; return; fi
  own=$(grep '^127\.0\.1\.1[[:space:]]' $originals/etc/hosts || true)
  write_atomically /etc/hosts 644 <<<"$others${own:+$'\n'$own}"
}

# restore_command_line: remove the kernel parameters that homelab added.
restore_command_line() {
  local file current_line line word
  # shellcheck disable=SC2001 # a word, not a part of one
  for file in /boot/firmware/cmdline.txt /boot/cmdline.txt; do
    [ -e "$originals$file" ] && [ -e "$file" ] || continue
    current_line=$(cat "$file") || die "$file could not be read."
    line=$current_line
    for word in cgroup_memory=1 cgroup_enable=memory; do
      grep -qw "$word" "$originals$file" || line=$(sed -E "s/(^| )$word( |\$)/\2/; s/^ //" <<<"$line")
    done
    # an unchanged file is not written, because its file system may be read-only
    [ "$line" = "$current_line" ] || write_atomically "$file" 644 <<<"$line"
  done
}

main() {
  lock
  say "restoring the machine's original configuration"
  stop_managed_service keepalived $keepalived_conf
  stop_managed_service haproxy $haproxy_conf
  rm -f /etc/keepalived/homelab-check /etc/sysctl.d/90-homelab.conf /etc/modules-load.d/homelab.conf
  if [ -e $keepalived_unit ]; then
    rm -f $keepalived_unit
    rmdir ${keepalived_unit%/*} 2>/dev/null || true
    systemctl daemon-reload
  fi
  if [ -s $originals/sysctl.conf ]; then sysctl -q -e -p $originals/sysctl.conf >/dev/null 2>&1 || true; fi
  restore_command_line
  restore_hosts
  restore_hostname
  # the undo of the settings under `machine` still needs their records
  find $state -mindepth 1 -maxdepth 1 ! -name machine ! -name commands -exec rm -rf {} +
  rmdir --ignore-fail-on-non-empty $state
}
main </dev/null
