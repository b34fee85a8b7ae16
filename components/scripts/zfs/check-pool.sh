# shellcheck shell=bash
# Drift check: print whether the ZFS pool is missing.
# POOL

main() {
  zpool list -H -o name "$POOL" >/dev/null 2>&1 || echo "the pool $POOL is not imported"
}
main </dev/null
