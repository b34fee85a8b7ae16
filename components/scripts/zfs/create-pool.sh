# shellcheck shell=bash
# Create a ZFS pool on empty disks, or import the pool of that name from them.
# POOL DEVICES RAID

check_zfs() {
  command -v zpool >/dev/null || install_packages zfsutils-linux
  modprobe -q zfs 2>/dev/null || true
  [ -d /sys/module/zfs ] || die "The kernel of $(hostname) has no ZFS module." \
    "Debian, Raspberry Pi OS: enable contrib, then apt-get install linux-headers-$(dpkg --print-architecture) zfs-dkms zfsutils-linux; Ubuntu's own kernels have it."
}

# parts: print the disks and their partitions, because ZFS partitions a whole disk and uses its first partition.
parts() {
  local disk
  for disk in $DEVICES; do echo "$disk"; compgen -G "$disk-part*" || true; done
}

# on_disks: print the names of the pools on these disks.
on_disks() {
  local arguments; mapfile -t arguments < <(parts | sed 's/^/-d\n/')
  zpool import "${arguments[@]}" 2>/dev/null | sed -n 's/^[[:space:]]*pool: //p' || true
}

import_pool() {
  say "importing the pool $POOL"
  local arguments output; mapfile -t arguments < <(parts | sed 's/^/-d\n/')
  output=$(zpool import "${arguments[@]}" "$POOL" 2>&1) || die "The pool $POOL is on these disks, but could not be imported:" "$output" \
    "If no other machine uses it: zpool import -f $POOL"
}

create_pool() {
  local disk reason problems='' layout=() types advice="To lose the data, on this machine: wipefs --all DISK (its partitions first), then run \`pulumi up\` again."
  for disk in $DEVICES; do
    reason=$(why_not_empty "$disk")
    [ -z "$reason" ] || problems+="$disk $reason"$'\n'
  done
  types=$(parts | xargs -n 1 blkid -p -o value -s TYPE 2>/dev/null || true)
  if grep -qx zfs_member <<<"$types"; then advice="These disks were in a ZFS pool: \`zpool import -d /dev/disk/by-id\` on this machine shows which one, and why it is incomplete."; fi
  [ -z "$problems" ] || die "No pool is created on disks that may contain data; no changes were made:" "$problems" "$advice"
  [ "$RAID" = none ] || layout=("$RAID")
  say "creating the pool $POOL"
  local output
  # shellcheck disable=SC2086 # a list of disks
  output=$(zpool create -o ashift=12 -o autotrim=on -O compression=lz4 -O atime=off -O xattr=sa -O acltype=posixacl \
    -O mountpoint=none "$POOL" "${layout[@]}" $DEVICES 2>&1) || die "The pool $POOL could not be created:" "$output"
}

# missing: print the disks that the pool does not contain.
missing() {
  local disk real parts; parts=$(zpool list -vHPL "$POOL")
  for disk in $DEVICES; do
    real=$(readlink -f "$disk")
    grep -qE "^[[:space:]]*${real}(p?[0-9]+)?[[:space:]]" <<<"$parts" || echo "$disk"
  done
}

main() {
  lock
  check_zfs
  local pools others absent
  if ! zpool list -H -o name "$POOL" >/dev/null 2>&1; then
    pools=$(on_disks)
    others=$(grep -vxF "$POOL" <<<"$pools" || true)
    [ -z "$others" ] || die "These disks contain another pool: ${others//$'\n'/, }; no changes were made." "Set \`zfs.pool\` to that name, or use other disks."
    if [ -n "$pools" ]; then import_pool; else create_pool; fi
  fi
  absent=$(missing)
  [ -z "$absent" ] || die "The pool $POOL exists, but without these disks:" "$absent" \
    "homelab does not change a pool: add the disks on this machine (zpool add, zpool attach), or set the disks that it has:" "$(zpool list -vHPL "$POOL")"
}
main </dev/null
