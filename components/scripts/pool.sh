# shellcheck shell=bash
# On a machine: makes a pool of disks on which there is nothing, or takes the one of that name that they hold.
# POOL DEVICES RAID

check_zfs() {
  command -v zpool >/dev/null || install_packages zfsutils-linux
  modprobe -q zfs 2>/dev/null || true
  [ -d /sys/module/zfs ] || die "This kernel has no ZFS." \
    "Debian, Raspberry Pi OS: enable contrib, then apt-get install linux-headers-$(dpkg --print-architecture) zfs-dkms zfsutils-linux; Ubuntu's own kernels have it."
}

# parts: the disks and their partitions: of a disk that ZFS was given whole, it uses the first.
parts() {
  local disk
  for disk in $DEVICES; do echo "$disk"; compgen -G "$disk-part*" || true; done
}

# on_disks: the pools that these disks hold, whether or not they are imported.
on_disks() {
  local from; mapfile -t from < <(parts | sed 's/^/-d\n/')
  zpool import "${from[@]}" 2>/dev/null | sed -n 's/^[[:space:]]*pool: //p' || true
}

take() {
  say "importing the pool $POOL"
  local from said; mapfile -t from < <(parts | sed 's/^/-d\n/')
  said=$(zpool import "${from[@]}" "$POOL" 2>&1) || die "The pool $POOL is on these disks and could not be imported:" "$said" \
    "If no other machine uses it: zpool import -f $POOL"
}

make() {
  local disk why found='' layout=() types advice="If it is to be lost, on this machine: wipefs --all DEVICE (of partitions first), then run it again."
  for disk in $DEVICES; do
    why=$(holds "$disk")
    [ -z "$why" ] || found+="$disk $why"$'\n'
  done
  types=$(parts | xargs -n 1 blkid -p -o value -s TYPE 2>/dev/null || true)
  if grep -qx zfs_member <<<"$types"; then advice="ZFS was on them: \`zpool import -d /dev/disk/by-id\` on this machine says which pool, and why it is not found whole."; fi
  [ -z "$found" ] || die "No pool is made of what may hold data; nothing was changed:" "$found" "$advice"
  [ "$RAID" = none ] || layout=("$RAID")
  say "making the pool $POOL"
  local said
  # shellcheck disable=SC2086 # a list of devices
  said=$(zpool create -o ashift=12 -o autotrim=on -O compression=lz4 -O atime=off -O xattr=sa -O acltype=posixacl \
    -O mountpoint=none "$POOL" "${layout[@]}" $DEVICES 2>&1) || die "The pool $POOL could not be made:" "$said"
}

# missing: those of the disks that the pool does not consist of.
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
  local found others
  if ! zpool list -H -o name "$POOL" >/dev/null 2>&1; then
    found=$(on_disks)
    others=$(grep -vxF "$POOL" <<<"$found" || true)
    [ -z "$others" ] || die "These disks hold another pool: ${others//$'\n'/, }; nothing was changed." "Name it in \`zfs.pool\`, or name other disks."
    if [ -n "$found" ]; then take; else make; fi
  fi
  found=$(missing)
  [ -z "$found" ] || die "The pool $POOL is there without:" "$found" "A pool is not changed from here: zpool add or attach them on this machine, or name the disks that it has:" "$(zpool list -vHPL "$POOL")"
}
main </dev/null
