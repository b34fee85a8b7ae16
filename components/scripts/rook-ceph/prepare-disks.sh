# shellcheck shell=bash
# Validate that the disks for Ceph are empty, and wipe those that the stack file allows to wipe.
# DEVICES WIPE

# the record is in the folder of Ceph's own files, so that a user who deletes these files deletes the record as well
record=/var/lib/rook/homelab-disks

# used DISK: print why the disk is in use, so that it must not be wiped.
used() {
  local tree; tree=$(lsblk -nro TYPE,NAME,MOUNTPOINT "$1" 2>/dev/null) || { echo "does not exist"; return; }
  awk '$1 !~ /^(disk|part)$/ || $3 != "" { printf "%s%s", found++ ? ", " : "is in use: ", $0 }' <<<"$tree"
}

wipe() {
  local part output offset size
  say "wiping $1"
  while read -r part; do
    output=$(wipefs --all "$part" 2>&1) || die "$1 could not be wiped; some of its data may be lost:" "$output"
  done < <(lsblk -nrpo NAME "$1" | tac)  # partitions before their disk
  size=$(blockdev --getsize64 "$1")
  for offset in 0 1 10 100 1000; do  # GiB: offsets of Ceph's disk label and its copies
    [ $((offset << 30)) -lt "$size" ] || break
    output=$(dd if=/dev/zero of="$1" bs=1M count=1 seek=$((offset << 10)) oflag=direct conv=notrunc,fsync 2>&1) || die "$1 could not be wiped:" "$output"
  done
  output=$(why_not_empty "$1")
  [ -z "$output" ] || die "$1 was wiped, but still $output"
}

main() {
  lock
  local disk reason problems='' new=() to_wipe=()
  for disk in $DEVICES; do
    if grep -qxF "$disk" $record 2>/dev/null; then continue; fi
    new+=("$disk")
    # a disk in WIPE is wiped even if it looks empty: an earlier run may have been interrupted while wiping
    case " $WIPE " in *" $disk "*) reason=$(used "$disk"); to_wipe+=("$disk") ;; *) reason=$(why_not_empty "$disk") ;; esac
    [ -z "$reason" ] || problems+="$disk $reason"$'\n'
  done
  [ -z "$problems" ] || die "Ceph gets no disks that may contain data; no changes were made:" "$problems" \
    "To lose the data, add the disk to \`rookCeph.wipe\`. If the disk belongs to this Ceph already, as after this machine was reinstalled: mkdir -p ${record%/*} && echo DISK >>$record"
  for disk in "${to_wipe[@]}"; do wipe "$disk"; done
  if [ "${#new[@]}" = 0 ]; then return; fi
  write_atomically $record 644 < <(cat $record 2>/dev/null || true; printf '%s\n' "${new[@]}")
}
main </dev/null
