# shellcheck shell=bash
# Looks whether a pool is there.
# POOL

main() {
  zpool list -H -o name "$POOL" >/dev/null 2>&1 || echo "the pool $POOL is not imported"
}
main </dev/null
