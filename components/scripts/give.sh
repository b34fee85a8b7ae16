# shellcheck shell=bash
# On a machine: sees that there is nothing on the disks that Ceph is given, and wipes those that are named for it.
# DEVICES WIPE

# beside what Ceph keeps on this machine: who removes that, removes it too
record=/var/lib/rook/homelab-disks

# used DISK: why it is not wiped.
used() {
  local tree; tree=$(lsblk -nro TYPE,NAME,MOUNTPOINT "$1" 2>/dev/null) || { echo "is not here"; return; }
  awk '$1 !~ /^(disk|part)$/ || $3 != "" { printf "%s%s", found++ ? ", " : "is in use: ", $0 }' <<<"$tree"
}

wipe() {
  local part said at size
  say "wiping $1"
  while read -r part; do
    said=$(wipefs --all "$part" 2>&1) || die "$1 could not be wiped; it may have lost some of what it held:" "$said"
  done < <(lsblk -nrpo NAME "$1" | tac)  # partitions go before their disk
  size=$(blockdev --getsize64 "$1")
  for at in 0 1 10 100 1000; do  # GiB: Ceph's own label of a disk, and its copies
    [ $((at << 30)) -lt "$size" ] || break
    said=$(dd if=/dev/zero of="$1" bs=1M count=1 seek=$((at << 10)) oflag=direct conv=notrunc,fsync 2>&1) || die "$1 could not be wiped:" "$said"
  done
  said=$(holds "$1")
  [ -z "$said" ] || die "$1 was wiped, and still $said"
}

main() {
  lock
  local disk why found='' new=() named=()
  for disk in $DEVICES; do
    if grep -qxF "$disk" $record 2>/dev/null; then continue; fi
    new+=("$disk")
    # what is named is wiped even if it looks empty: an earlier run may have ended while it wiped
    case " $WIPE " in *" $disk "*) why=$(used "$disk"); named+=("$disk") ;; *) why=$(holds "$disk") ;; esac
    [ -z "$why" ] || found+="$disk $why"$'\n'
  done
  [ -z "$found" ] || die "Ceph is not given what may hold data; nothing was changed:" "$found" \
    "If it is to be lost, name the disk in \`rookCeph.wipe\`. If it is this Ceph's own already, as after a new installation of this machine: mkdir -p ${record%/*} && echo DISK >>$record"
  for disk in "${named[@]}"; do wipe "$disk"; done
  if [ "${#new[@]}" = 0 ]; then return; fi
  write $record 644 < <(cat $record 2>/dev/null || true; printf '%s\n' "${new[@]}")
}
main </dev/null
