# shellcheck shell=bash
# Looks whether disks were given to Ceph.
# DEVICES

main() {
  local disk
  for disk in $DEVICES; do
    grep -qxF "$disk" /var/lib/rook/homelab-disks 2>/dev/null || echo "$disk was not given to Ceph"
  done
}
main </dev/null
