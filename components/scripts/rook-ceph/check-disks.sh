# shellcheck shell=bash
# Drift check: print the disks that were not prepared for Ceph.
# DEVICES

main() {
  local disk
  for disk in $DEVICES; do
    grep -qxF "$disk" /var/lib/rook/homelab-disks 2>/dev/null || echo "$disk was not prepared for Ceph"
  done
}
main </dev/null
