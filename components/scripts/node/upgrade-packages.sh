# shellcheck shell=bash
# Upgrade the packages of the distribution, once for each text of `machine.packageUpgrade`, and raise the flag `reboot` if
# the machine needs a reboot. The last step of the task runs with FINISHED, and records that the upgrade is complete.
# NODE ROLE UPGRADE FINISHED; TURN, which is set while this machine may be disrupted

record=$state/package-upgrade
boot=/proc/sys/kernel/random/boot_id

# refuse PROBLEM FIX…: die with the machine, the setting and what to do.
refuse() { local problem=$1; shift; die "machine.packageUpgrade on $NODE: $problem" "$@" "Then run \`pulumi up\` again."; }

is_complete() { [ "$(cat $record/done 2>/dev/null)" = "$UPGRADE" ]; }

# reboot_if_needed: raise the flag for a reboot, and note the current boot, so that an upgrade reboots the machine once.
reboot_if_needed() {
  local reason; reason=$(reboot_reason)
  [ -n "$reason" ] || return 0
  say "a reboot is needed: $reason"
  write_atomically $record/reboot 600 < <(cat $boot; printf '%s\n' "$UPGRADE")
  raise_flag reboot
}

# was_rebooted: succeed if the machine was rebooted after its packages had been upgraded.
was_rebooted() {
  [ -e $record/reboot ] && [ "$(tail -n +2 $record/reboot)" = "$UPGRADE" ] && [ "$(head -n 1 $record/reboot)" != "$(cat $boot)" ]
}

# unattended COMMAND…: run apt or dpkg without questions, and keep changed configuration files. A service that is restarted
# cannot hold the lock of this machine.
unattended() { DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none UCF_FORCE_CONFFOLD=1 "$@" </dev/null 2>&1 9>&-; }

# upgrade_packages OPTION…: upgrade all packages without removing any.
upgrade_packages() { unattended apt-get -qy -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold "$@" upgrade --with-new-pkgs; }

# waiting_packages: print the packages that an upgrade would install or configure. Fails after an interrupted dpkg.
waiting_packages() { apt-get -sq upgrade --with-new-pkgs 2>/dev/null | awk '$1 == "Inst" || $1 == "Conf" {print $2}' | sort -u; }

is_pending() {
  local packages
  packages=$(waiting_packages) || return 0
  [ -n "$packages$(reboot_reason)" ]
}

# check_space: refuse to start an upgrade that fills the disk.
check_space() {
  local folder least free
  while read -r folder least; do
    [ -d "$folder" ] || continue
    free=$(df --output=avail -m "$folder" | tail -n 1)
    [ "$free" -ge "$least" ] || refuse "only $((free)) MiB are free under $folder, and an upgrade can need $least MiB." \
      "Free some disk space, for example with \`sudo apt-get autoremove\` and \`sudo apt-get clean\`."
  done <<<"/usr 1024
/var/cache/apt 1024
/boot/ 100
/boot/firmware/ 64"
}

# fetch_packages: refresh the package lists, and download the packages, which disrupts no machine.
fetch_packages() {
  local log; log=$(mktemp)
  update_package_lists "$log"
  ! grep -qE '^(E: |W: Some index files failed)' "$log" ||
    refuse "the package lists could not be refreshed:" "$(grep '^[EW]: ' "$log" | tail -n 5)" \
      "Fix the cause: \`sudo apt-get update\` on the machine shows it."
  check_space
  # after an interrupted dpkg, apt downloads nothing; the upgrade repairs this first
  upgrade_packages --download-only >"$log" || say "the packages are downloaded later: $(tail -n 1 "$log")"
  rm -f "$log"
}

# complete_dpkg LOG: configure the packages of an interrupted upgrade; fail only while another program uses dpkg.
complete_dpkg() { unattended dpkg --force-confold --configure -a >"$1" || ! grep -q '^dpkg: error: .*lock' "$1"; }

upgrade() {
  local log count; log=$(mktemp)
  complete_dpkg "$log" || { say "waiting for dpkg: $(grep -m 1 '^dpkg: error: .*lock' "$log")"; wait_for 300 complete_dpkg "$log"; } || true
  count=$(waiting_packages | wc -l) || true
  [ "$count" = 0 ] || say "upgrading packages: $count"
  upgrade_packages -o APT::Keep-Downloaded-Packages=false >"$log" ||
    refuse "apt-get could not upgrade the packages. Its output ends:" "$(tail -n 15 "$log")" \
      "Fix the cause on the machine; /var/log/apt/term.log has the whole output."
  rm -f "$log"
}

main() {
  local member=''
  lock
  check_node "$NODE"
  command -v apt-get >/dev/null || refuse "the machine has no apt-get." "Remove the setting for $NODE."
  if is_complete; then rm -f $record/reboot; return; fi
  if [ -n "${FINISHED:-}" ]; then
    write_atomically $record/done 600 <<<"$UPGRADE"
    rm -f $record/reboot
    return
  fi
  # after a reboot, K3s may not run, but the node may still be cordoned
  if systemctl -q is-active "$(unit)" || { was_rebooted && is_member "$(unit)"; }; then member=yes; raise_flag member; fi
  if was_rebooted; then
    raise_flag upgraded # the node may still be cordoned
  else
    [ -n "${TURN:-}" ] || fetch_packages
    if is_pending; then
      if [ -n "$member" ] && [ -z "${TURN:-}" ]; then
        raise_flag pending
        export_variable TURN yes
        return
      fi
      upgrade
      raise_flag upgraded
      reboot_if_needed
    fi
  fi
  export_variable FINISHED yes
}
main </dev/null
