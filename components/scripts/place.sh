# shellcheck shell=bash
# Takes a snapshot that was sent here among those of this machine, if it arrived whole.
# SNAPSHOT SENT (where it is) CHECKSUM

# Names as K3s makes them, and no others: this one becomes a path.
check_name() { [[ $SNAPSHOT =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$ ]] || die "$(printf %q "$SNAPSHOT" | cut -c 1-200) is no name of a snapshot; nothing was touched."; }

main() {
  check_name
  lock
  local found target=$data/server/db/snapshots/$SNAPSHOT
  found=$(sha256sum "$SENT" | cut -d' ' -f1)
  if [ "$found" != "$CHECKSUM" ]; then
    rm -f "$SENT"
    die "$SNAPSHOT did not arrive whole on $(hostname): run the command again." "expected sha256 $CHECKSUM" "found    sha256 $found"
  fi
  mkdir -p $data/server/db/snapshots && chmod 700 $data/server $data/server/db $data/server/db/snapshots
  mv -f "$SENT" "$target.part" # nobody takes that for a snapshot; from another disk it is copied
  sync "$target.part"
  mv -f "$target.part" "$target"
}
main </dev/null
