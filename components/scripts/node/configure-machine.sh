# shellcheck shell=bash
# Apply the settings of `machine`, and take back what an earlier run set and the stack file no longer contains. With
# UNDO, take back everything. The folder $record lists what homelab set, with the state before.
# NODE ROLE UNDO TIMEZONE TIME_SERVERS DNS_SERVERS PACKAGES NEEDED SYSCTL MODULES PARAMETERS DISKS FILES SECRET_FILES

record=$state/machine
zones=/usr/share/zoneinfo
resolv=/etc/resolv.conf

# refuse KEY PROBLEM FIX…: die with the machine, the setting and what to do.
refuse() { local key=$1 problem=$2; shift 2; die "machine.$key on $NODE: $problem" "$@" "Then run \`pulumi up\` again."; }

# lines FILE: print the lines of a record; nothing if it does not exist.
lines() { cat "$1" 2>/dev/null || true; }

# write_record NAME: replace a record by the lines of standard input; without lines, remove the record.
write_record() {
  local text; text=$(awk NF)
  if [ -n "$text" ]; then write_atomically "$record/$1" 600 <<<"$text"; else rm -f "$record/$1"; fi
}

# add_to_record NAME LINE…: add lines to a record.
add_to_record() {
  local name=$1 text; shift
  text=$(lines "$record/$name"; printf '%s\n' "$@")
  write_record "$name" < <(sort -u <<<"$text")
}

# missing_folder FILE: print the topmost folder above the file that does not exist.
missing_folder() {
  local folder=${1%/*} top=''
  while [ -n "$folder" ] && [ ! -e "$folder" ]; do top=$folder; folder=${folder%/*}; done
  echo "$top"
}

# keep_original FILE: before homelab first changes the file, store its original, or record that the file did not exist.
keep_original() {
  [ ! -e "$record/files$1" ] || { [ ! -e "$record/original$1" ] && [ ! -e "$record/absent$1" ]; } || return 0
  if [ -e "$1" ]; then copy_atomically "$1" "$record/original$1"
  else write_atomically "$record/absent$1" 600 < <(missing_folder "$1"); fi
}

# has_state FILE MODE OWNER: succeed if the file has this mode and owner, and the content TEXT.
has_state() { [ -f "$1" ] && [ "$(stat -L -c '%a %U:%G' "$1")" = "$2 $3" ] && cmp -s "$1" <(printf %s "$text"); }

# set_file KEY FILE MODE OWNER ACTION…: replace the file by TEXT, and note the actions that apply the change.
set_file() {
  local key=$1 file=$2 mode=$3 owner=$4 sum; shift 4
  wanted+=("$file")
  [ ! -d "$file" ] || refuse "$key" "$file is a folder on this machine." "Choose the path of a file."
  sum=$(printf %s "$text" | sha256sum | cut -d' ' -f1)
  keep_original "$file"
  write_atomically "$record/files$file" 600 < <(printf '%s\n' "$key $mode $owner $sum" "$@")
  ! has_state "$file" "$mode" "$owner" || return 0
  say "writing $file"
  [ $# = 0 ] || add_to_record pending "${@/#/$key }"
  write_atomically "$file" "$mode" < <(printf %s "$text")
  chown "$owner" "$file"
}

# remove_empty_folder FOLDER: remove the folder; succeed if it does not exist afterwards.
remove_empty_folder() { rmdir "$1" 2>/dev/null || [ ! -e "$1" ]; }

# take_back_file FILE: restore the original of the file, and remove the folders that homelab created for it.
take_back_file() {
  local file=$1 top folder=${1%/*}
  if [ -e "$record/original$file" ]; then copy_atomically "$record/original$file" "$file"
  elif [ -e "$record/absent$file" ]; then
    rm -f "$file"
    top=$(cat "$record/absent$file")
    while [ -n "$top" ] && [ "${#folder}" -ge "${#top}" ] && remove_empty_folder "$folder"; do folder=${folder%/*}; done
  fi
  rm -f "$record/original$file" "$record/absent$file"
  rm -f "$record/files$file"
}

# take_back_files: restore the files that the stack file no longer contains.
take_back_files() {
  local file key kept=" ${wanted[*]} " known=() actions=()
  [ -d $record/files ] || return 0
  mapfile -t known < <(find $record/files -type f ! -name '*.homelab-new' -printf '/%P\n' | sort)
  for file in "${known[@]}"; do
    [[ $kept != *" $file "* ]] || continue
    say "restoring $file"
    read -r key _ <"$record/files$file"
    unmount "$key" "$file"
    mapfile -t actions < <(tail -n +2 "$record/files$file" | sed "s/^restart /try-restart /; s/^/$key /")
    [ "${#actions[@]}" = 0 ] || add_to_record pending "${actions[@]}"
    take_back_file "$file"
  done
}

# unmount KEY FILE: if the file is a systemd mount unit, unmount its file system.
unmount() {
  local unit=${2##*/}
  case $2 in /etc/systemd/system/*.mount) ;; *) return 0 ;; esac
  systemctl -q disable --now "$unit" || refuse "$1" "$(sed -n 's/^Where=//p' "$2") cannot be unmounted." \
    "Stop the programs and pods that use it (\`fuser -vm\` lists them)."
}

# make_source FILE: if the systemd unit mounts a folder at a second path, create the folder on its own disk.
make_source() {
  local folder
  grep -qs '^Options=bind' "$1" || return 0
  folder=$(sed -n 's/^What=//p' "$1")
  mkdir -p "$folder" || refuse mounts "$folder cannot be created." "Correct the path."
}

# apply_pending: perform the actions that changed files need.
apply_pending() {
  local key action unit
  [ -e $record/pending ] || return 0
  systemctl daemon-reload
  while read -r key action unit; do
    say "applying: $action ${unit:-}"
    case $action in
      restart)
        case $unit in *.mount) make_source "/etc/systemd/system/$unit"; systemctl -q enable "$unit" ;; esac
        systemctl restart "$unit" || refuse "$key" "$unit does not start with its new configuration:" "$(journal "$unit")" "Correct the setting." ;;
      reload) systemctl reload "$unit" || refuse "$key" "$unit does not reload its configuration:" "$(journal "$unit")" "Correct the setting." ;;
      try-restart) if systemctl cat "$unit" >/dev/null 2>&1; then systemctl try-restart "$unit" || say "$unit does not restart"; else systemctl -q stop "$unit" 2>/dev/null || true; fi ;;
      hangup) pkill -HUP -x "$unit" || true ;;
      daemon-reexec) systemctl daemon-reexec ;;
      update-grub) note_reboot; update-grub >/dev/null 2>&1 || refuse "$key" "update-grub failed." "Run \`sudo update-grub\` on the machine, and fix the cause." ;;
    esac
  done <$record/pending
  rm -f $record/pending
}

# set_timezone ZONE: link /etc/localtime to the time zone; without one, restore the original.
set_timezone() {
  local zone=$1 text=$1$'\n' before=$record/timezone
  if [ -n "$zone" ]; then
    [ -e "$zones/$zone" ] || refuse timezone "the machine has no time zone $zone." "Add tzdata to \`machine.packages\`."
    if [ ! -e "$before" ] || { [ ! -L "$before-link" ] && [ ! -e "$before-absent" ]; }; then
      if [ -L /etc/localtime ]; then ln -sfn "$(readlink /etc/localtime)" "$before-link"
      elif [ ! -e /etc/localtime ]; then mkdir -p $record && touch "$before-absent"
      else refuse timezone "/etc/localtime is not a symbolic link." "Run \`sudo ln -sf $zones/UTC /etc/localtime\` on the machine."; fi
    fi
    write_atomically "$before" 600 <<<"$zone"
    [ ! -f /etc/timezone ] || set_file timezone /etc/timezone 644 root:root
    [ "$(readlink /etc/localtime)" != "$zones/$zone" ] || return 0
    say "setting the time zone $zone"
    add_to_record pending "timezone try-restart cron"
    replace_link "$zones/$zone" /etc/localtime
  elif [ -e "$before" ]; then
    say "restoring the time zone"
    add_to_record pending "timezone try-restart cron"
    if [ -L "$before-link" ]; then replace_link "$(readlink "$before-link")" /etc/localtime
    elif [ -e "$before-absent" ]; then rm -f /etc/localtime; fi
    rm -f "$before-link" "$before-absent"
    rm -f "$before"
  fi
}

# replace_link TARGET LINK: atomically replace the symbolic link.
replace_link() { ln -sfn "$1" "$2.homelab-new"; mv -fT "$2.homelab-new" "$2"; }

# is_enabled UNIT: succeed if the unit starts at boot or is active.
is_enabled() { systemctl -q is-enabled "$1" 2>/dev/null || systemctl -q is-active "$1"; }

# set_time_servers SERVER…: configure the time service of the machine.
set_time_servers() {
  local text other
  [ $# -gt 0 ] || return 0
  for other in ntpsec ntp openntpd; do
    ! systemctl -q is-active "$other" || refuse timeServers "$other sets the clock of this machine, but homelab configures only systemd-timesyncd and chrony." "Remove $other, or remove the setting."
  done
  if is_enabled chrony; then
    grep -qs '^sourcedir /etc/chrony/sources.d' /etc/chrony/chrony.conf ||
      refuse timeServers "/etc/chrony/chrony.conf does not include /etc/chrony/sources.d." "Add the line \`sourcedir /etc/chrony/sources.d\` to the file."
    text=$(printf 'server %s iburst prefer\n' "$@")$'\n'
    set_file timeServers /etc/chrony/sources.d/homelab.sources 644 root:root "restart chrony"
  elif is_enabled systemd-timesyncd; then
    text="# homelab: machine.timeServers"$'\n[Time]\nNTP=\n'"NTP=$*"$'\n'
    set_file timeServers /etc/systemd/timesyncd.conf.d/50-homelab.conf 644 root:root "restart systemd-timesyncd"
  else
    refuse timeServers "no time service is enabled on this machine." "Add systemd-timesyncd or chrony to \`machine.packages\`."
  fi
}

# resolver: print which program determines the DNS servers in /etc/resolv.conf.
resolver() {
  case $(readlink -f $resolv || true) in
    /run/systemd/resolve/*) echo systemd-resolved; return ;;
    /run/NetworkManager/*) echo NetworkManager; return ;;
  esac
  case $(head -n 3 $resolv 2>/dev/null) in
    *'by NetworkManager'*) echo NetworkManager ;;
    *) if pgrep -x dhcpcd >/dev/null; then echo dhcpcd; elif pgrep -x dhclient >/dev/null; then echo dhclient
      elif grep -qs 'by resolvconf' $resolv || [ -L $resolv ]; then echo unknown; else echo file; fi ;;
  esac
}

# original_text FILE: print the file as it was before homelab changed it.
original_text() { if [ -e "$record/files$1" ] || [ -e "$record/original$1" ]; then lines "$record/original$1"; else lines "$1"; fi; }

# set_dns_servers ADDRESS…: configure the program that determines the DNS servers of the machine.
set_dns_servers() {
  local text note='# homelab: machine.dnsServers' manager list="$*"
  [ $# -gt 0 ] || return 0
  manager=$(lines $record/resolver)
  # `resolver` cannot return `file` after homelab has written the file, so the earlier result is used
  if [ "$manager" != file ]; then manager=$(resolver); fi
  [ "$manager" != unknown ] || refuse dnsServers "a program that homelab does not configure writes $resolv $(readlink $resolv || true):" "$(head -n 3 $resolv)" "Remove the program (such as resolvconf), or remove the setting."
  case $manager in
    systemd-resolved)
      text=$note$'\n[Resolve]\nDNS=\n'"DNS=$*"$'\nDomains=~.\n'
      set_file dnsServers /etc/systemd/resolved.conf.d/50-homelab.conf 644 root:root "restart systemd-resolved" ;;
    NetworkManager)
      text=$note$'\n[global-dns-domain-*]\n'"servers=${list// /,}"$'\n'
      set_file dnsServers /etc/NetworkManager/conf.d/50-homelab.conf 644 root:root "reload NetworkManager" ;;
    dhcpcd)
      text=$note$'\n'"static domain_name_servers=$*"$'\n'"$(original_text /etc/dhcpcd.conf)"$'\n'
      set_file dnsServers /etc/dhcpcd.conf 644 root:root "hangup dhcpcd" ;;
    dhclient)
      text=$note$'\n'"supersede domain-name-servers ${list// /, };"$'\n'"$(original_text /etc/dhcp/dhclient.conf)"$'\n'
      set_file dnsServers /etc/dhcp/dhclient.conf 644 root:root
      say "dhclient uses the new DNS servers from its next lease on" ;;
    file)
      text=$note$'\n'$(printf 'nameserver %s\n' "$@"; original_text $resolv | sed '/^nameserver/d; /^# homelab/d')$'\n'
      set_file dnsServers $resolv 644 root:root ;;
  esac
  write_record resolver <<<"$manager"
}

is_installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

# set_packages PACKAGE…: install the packages, and remove those that only homelab installed for `machine.packages`.
set_packages() {
  local package missing=() leaving=()
  for package; do is_installed "$package" || missing+=("$package"); done
  if [ "${#missing[@]}" -gt 0 ]; then
    add_to_record packages "${missing[@]}"
    install_packages "${missing[@]}"
  fi
  mapfile -t leaving < <(lines $record/packages | grep -vxF "$(printf '%s\n' "$@")" || true)
  for package in "${leaving[@]}"; do
    remove_package "$package"
    write_record packages < <(lines $record/packages | grep -vxF "$package" || true)
  done
  write_record wanted-packages < <(printf '%s\n' "$@")
}

# remove_package PACKAGE: remove a package that homelab installed, unless homelab or another package needs it.
remove_package() {
  local others
  is_installed "$1" || return 0
  [[ " ${NEEDED:-} " != *" $1 "* ]] || { say "the package $1 stays, because homelab may need it"; return; }
  others=$(apt-get -sq remove "$1" 2>/dev/null | awk -v name="$1" '$1 == "Remv" && $2 != name {print $2}' | xargs)
  [ -z "$others" ] || { say "the package $1 stays, because $others need it"; return; }
  say "removing the package $1"
  DEBIAN_FRONTEND=noninteractive apt-get -qy -o DPkg::Lock::Timeout=300 remove "$1" >/dev/null 2>&1 ||
    refuse packages "apt-get could not remove the package $1." "Run \`sudo apt-get remove $1\` on the machine, and fix the cause."
}

# set_modules MODULE…: load the kernel modules, and unload those that only homelab loaded for `machine.kernelModules`.
set_modules() {
  local module output text leaving
  for module; do
    [ ! -d "/sys/module/${module//-/_}" ] || continue
    add_to_record modules "$module"
    output=$(modprobe "$module" 2>&1) || refuse kernelModules "the module $module cannot be loaded: $output" "$(missing_module)"
  done
  mapfile -t leaving < <(lines $record/modules | grep -vxF "$(printf '%s\n' "$@")" || true)
  for module in "${leaving[@]}"; do
    if [ -d "/sys/module/${module//-/_}" ]; then modprobe -r "$module" 2>/dev/null || say "the kernel module $module stays loaded until the next reboot"; fi
    write_record modules < <(lines $record/modules | grep -vxF "$module" || true)
  done
  [ $# -gt 0 ] || return 0
  text=$(printf '%s\n' "$@")$'\n'
  set_file kernelModules /etc/modules-load.d/homelab-machine.conf 644 root:root
}

# missing_module: print what to do if the running kernel has no such module.
missing_module() {
  local kernel; kernel=$(uname -r)
  if [ ! -d "/lib/modules/$kernel" ]; then echo "The modules of the running kernel $kernel are not installed: after an update of the kernel, reboot the machine."
  else echo "Correct the name, or add the package with the module to \`machine.packages\` (Ubuntu: linux-modules-extra-$kernel)."; fi
}

# same_value KEY VALUE: succeed if the kernel parameter has the value; the kernel separates numbers by tabs.
same_value() { [ "$(sysctl -n "$1" 2>/dev/null | tr '\t' ' ')" = "$2" ]; }

# set_sysctl LINES: set the kernel parameters, and restore the original value of those that are no longer set.
set_sysctl() {
  local line key value text differs='' refused
  while IFS='=' read -r key value; do
    [ -n "$key" ] || continue
    lines $record/sysctl | grep -qF -- "$key=" || {
      line=$(sysctl -n "$key" 2>&1) || refuse sysctl "the kernel has no parameter $key." "Correct the name, or add the kernel module of the parameter to \`machine.kernelModules\`."
      add_to_record sysctl "$key=$line"
    }
    same_value "$key" "$value" || differs=yes
  done <<<"$1"
  while IFS='=' read -r key value; do
    [ -n "$key" ] || continue
    ! grep -qF -- "$key=" <<<"$1" || continue
    say "restoring $key"
    sysctl -q -e -w "$key=$value" >/dev/null 2>&1 || true
    write_record sysctl < <(lines $record/sysctl | grep -vF -- "$key=" || true)
  done < <(lines $record/sysctl)
  [ -n "$1" ] || return 0
  text=$1$'\n'
  set_file sysctl /etc/sysctl.d/91-homelab-machine.conf 644 root:root
  [ -n "$differs" ] || return 0
  refused=$(sysctl -q -p /etc/sysctl.d/91-homelab-machine.conf 2>&1) || refuse sysctl "the kernel rejects a value:" "$refused" "Correct the value."
}

# check_mount KEY PATH: refuse to mount over another file system, or over files, which the mount would hide.
check_mount() {
  local key=$1; shift
  [ -d "$1" ] || return 0
  ! mountpoint -q "$1" || refuse "$key" "another file system is mounted on $1." "Choose another folder, or remove its line from /etc/fstab and unmount it."
  [ "$1" != $data ] || ! has_k3s_data || refuse "$key" "$1 contains K3s' data already, which cannot be moved while the machine is a node." \
    "To move the data: remove $NODE from \`nodes\`, \`pulumi up\`, add it again with this setting, \`pulumi up\`."
  [ -z "$(ls -A "$1")" ] || refuse "$key" "$1 contains files, which the mount would hide." "Choose an empty folder, or move the files."
}

# mount_again KEY UNIT: mount a file system that is not mounted.
mount_again() { systemctl -q is-active "$2" || add_to_record pending "$1 restart $2"; }

# uuid_in RECORD DEVICE: print the UUID of the file system that homelab created on the device.
uuid_in() { lines "$record/$1" | awk -v device="$2" '$1 == device {print $2}'; }

# uuid_on DEVICE: print the UUID of the file system on the device.
uuid_on() { blkid -p -o value -s UUID "$1" 2>/dev/null || true; }

# format_disk DEVICE: create a file system on an empty disk, and set `uuid`. homelab formats a disk again only if its
# first attempt was interrupted.
format_disk() {
  local reason found
  [ -e "$1" ] || refuse disks "the machine has no disk $1." "Correct the name: \`ls /dev/disk/by-id\` on the machine lists the disks."
  found=$(uuid_on "$1")
  uuid=$(uuid_in disks "$1")
  if [ -n "$uuid" ]; then
    [ "$found" = "$uuid" ] || refuse disks "$1 no longer has the file system $uuid, which homelab created." "Connect the disk again, or remove its entry."
    return
  fi
  uuid=$(uuid_in formatting "$1")
  if [ -z "$uuid" ] || [ "$found" != "$uuid" ]; then
    reason=$(why_not_empty "$1")
    [ -z "$reason" ] || refuse disks "$1 $reason." "homelab formats only an empty disk.${found:+ To mount its file system, write \`uuid: $found\` instead of \`device\`.}" \
      "To erase the disk and all its data: \`sudo wipefs --all $1\` on the machine."
  fi
  if [ -z "$uuid" ]; then
    uuid=$(cat /proc/sys/kernel/random/uuid)
    add_to_record formatting "$1 $uuid"
  fi
  say "creating an ext4 file system on $1"
  reason=$(mkfs.ext4 -q -F -U "$uuid" "$1" 2>&1) || refuse disks "no file system could be created on $1: $reason" "Check the disk (\`dmesg\`)."
  add_to_record disks "$1 $uuid"
  write_record formatting < <(lines $record/formatting | grep -vF "$1 " || true)
}

# set_disks LINES: format and mount the disks. Each line is `PATH UNIT DEVICE` or `PATH UNIT UUID=UUID`.
set_disks() {
  local path unit source uuid text sources=''
  while read -r path unit source; do
    [ -n "$path" ] || continue
    uuid=${source#UUID=}
    [ -e "$record/files/etc/systemd/system/$unit" ] || check_mount disks "$path"
    if [ "$uuid" = "$source" ]; then format_disk "$source"
    else [ -e "/dev/disk/by-uuid/$uuid" ] || refuse disks "the machine has no file system with the UUID $uuid." "Correct the UUID: \`lsblk -o NAME,UUID\` on the machine lists them."; fi
    sources+="$source $uuid"$'\n'
    text="# homelab: machine.disks"$'\n[Mount]\n'"What=/dev/disk/by-uuid/$uuid"$'\n'"Where=$path"$'\nOptions=nofail\n\n[Install]\nWantedBy=local-fs.target\n'
    set_file disks "/etc/systemd/system/$unit" 644 root:root "restart $unit"
    mount_again disks "$unit"
  done <<<"$1"
  write_record disks < <(lines $record/disks | grep -xF "$sources" || true)
}

# set_files TEXT: write the files. Each entry is a line `KEY PATH MODE OWNER BYTES UNIT…`, and then BYTES bytes of
# content. The word daemon-reexec instead of a unit makes systemd read its own configuration again.
set_files() {
  local key path mode owner bytes units unit text actions
  while read -r key path mode owner bytes units; do
    [ -n "$path" ] || continue
    text=''
    if [ "$bytes" != 0 ]; then IFS= read -r -N "$bytes" text; fi
    getent passwd "${owner%:*}" >/dev/null || refuse "files[\"$path\"].owner" "the machine has no user ${owner%:*}." "Correct the owner."
    getent group "${owner#*:}" >/dev/null || refuse "files[\"$path\"].owner" "the machine has no group ${owner#*:}." "Correct the owner."
    actions=()
    for unit in $units; do
      case $unit in daemon-reexec) actions+=("$unit") ;; *) actions+=("restart $unit") ;; esac
    done
    case $key in
      mounts) [ -e "$record/files$path" ] || check_mount mounts "$(sed -n 's/^Where=//p' <<<"$text")" ;;
      watchdog) [ -e /dev/watchdog ] || refuse watchdog "the machine has no /dev/watchdog." \
        "Add the kernel module of its watchdog to \`machine.kernelModules\`, such as iTCO_wdt on many PCs." ;;
    esac
    set_file "$key" "$path" "$mode" "$owner" "${actions[@]}"
    case $path in /etc/systemd/system/*.mount) mount_again mounts "${path##*/}" ;; esac
  done <<<"$1"
}

# has_word WORD TEXT: succeed if the command line contains the parameter.
has_word() { [[ " $2 " == *" $1 "* ]]; }

# set_parameters PARAMETER…: change the boot loader's kernel command line: a Raspberry Pi's file, or GRUB's.
set_parameters() {
  local file word
  [ $# -gt 0 ] || [ -e $record/parameters ] || return 0
  for word in $(lines $record/parameters); do has_word "$word" "$*" || add_to_record removed-parameters "$word"; done
  file=$(command_line)
  if [ -n "$file" ]; then set_boot_line "$file" "$@"
  elif command -v update-grub >/dev/null; then set_grub "$@"
  else refuse kernelParameters "the machine boots neither with GRUB nor as a Raspberry Pi." "Add the parameters to the configuration of its boot loader yourself, and remove the setting."; fi
  write_record parameters < <(printf '%s\n' "$@")
}

# set_boot_line FILE PARAMETER…: add the missing parameters to a Raspberry Pi's command line, and remove those that
# homelab added and that are no longer wanted.
set_boot_line() {
  local file=$1 line word ours words=() result=(); shift
  line=$(head -n 1 "$file") || die "$file could not be read."
  ours=$(lines $record/boot-line | xargs)
  read -ra words <<<"$line"
  for word in "${words[@]}"; do
    if has_word "$word" "$ours" && ! has_word "$word" "$*"; then continue; fi
    result+=("$word")
  done
  for word; do
    ! has_word "$word" "${result[*]}" || continue
    add_to_record boot-line "$word"
    result+=("$word")
  done
  if [ "${result[*]}" != "${words[*]}" ]; then
    say "changing the kernel command line in $file"
    note_reboot
    write_atomically "$file" 644 <<<"${result[*]}"
  fi
  write_record boot-line < <(lines $record/boot-line | grep -xF "$(printf '%s\n' "$@")" || true)
}

# set_grub PARAMETER…: write the parameters to a file that GRUB's configuration reads last.
set_grub() {
  local text variable=GRUB_CMDLINE_LINUX
  [ $# -gt 0 ] || return 0
  text="# homelab: machine.kernelParameters"$'\n'"$variable=\"\$$variable $*\""$'\n'
  set_file kernelParameters /etc/default/grub.d/90-homelab.cfg 644 root:root update-grub
}

# note_reboot: store the current boot, so that homelab reboots the machine at most once for a change.
note_reboot() { write_atomically $record/reboot 600 </proc/sys/kernel/random/boot_id; }

# reboot_if_needed PARAMETER…: raise the flag for a reboot if the machine was booted with another command line.
reboot_if_needed() {
  local word missing=() left=() now; now=$(cat /proc/cmdline)
  for word; do has_word "$word" "$now" || missing+=("$word"); done
  for word in $(lines $record/removed-parameters); do
    if has_word "$word" "$now" && ! has_word "$word" "$*"; then left+=("$word"); fi
  done
  if [ -e $record/reboot ] && ! cmp -s $record/reboot /proc/sys/kernel/random/boot_id; then
    [ "${#missing[@]}" = 0 ] || refuse kernelParameters "after a reboot, the kernel command line lacks ${missing[*]}: $now" \
      "Find out which file the boot loader reads, or remove these parameters from the stack file."
    left=()
  fi
  if [ "${#missing[@]}${#left[@]}" = 00 ]; then rm -f $record/reboot $record/removed-parameters; return; fi
  if [ -n "${UNDO:-}" ] && ! systemctl -q is-active "$(unit)"; then
    say "the kernel parameters ${left[*]} apply until the next reboot"
    rm -f $record/reboot $record/removed-parameters
    return
  fi
  say "the kernel command line changed: a reboot is needed"
  note_reboot
  raise_flag reboot
}

apply_settings() {
  # shellcheck disable=SC2086 # lists of names
  {
    set_packages ${PACKAGES:-}
    set_timezone "${TIMEZONE:-}"
    set_time_servers ${TIME_SERVERS:-}
    set_dns_servers ${DNS_SERVERS:-}
    set_modules ${MODULES:-}
    set_sysctl "${SYSCTL:-}"
    set_parameters ${PARAMETERS:-}
    set_disks "${DISKS:-}"
    set_files "${FILES:-}"
    set_files "${SECRET_FILES:-}"
  }
  take_back_files
  [ -n "${DNS_SERVERS:-}" ] || rm -f $record/resolver
  apply_pending
  # shellcheck disable=SC2086 # a list of names
  reboot_if_needed ${PARAMETERS:-}
}

main() {
  local wanted=()
  lock
  if [ -n "${UNDO:-}" ]; then case "$(prepared_node)" in "$NODE" | '') ;; *) return ;; esac
  else check_node "$NODE"; fi
  [ -d /run/systemd/system ] || die "systemd does not run on this machine: use a system that boots with systemd."
  if [ -n "${UNDO:-}" ]; then
    [ -d $record ] || return 0
    TIMEZONE='' TIME_SERVERS='' DNS_SERVERS='' PACKAGES='' SYSCTL='' MODULES='' PARAMETERS='' DISKS='' FILES='' SECRET_FILES=''
  else mkdir -p $record; fi
  say "applying the settings of the machine"
  apply_settings
  if systemctl -q is-active "$(unit)"; then raise_flag member; fi
  [ -z "${UNDO:-}" ] || [ -e $record/reboot ] || { rm -rf $record; rmdir --ignore-fail-on-non-empty $state; }
}
main </dev/null
