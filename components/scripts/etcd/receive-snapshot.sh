# shellcheck shell=bash
# Move an uploaded snapshot into K3s's folder of snapshots, if its checksum is right.
# SNAPSHOT SENT (path of the upload) CHECKSUM

# check_name: accept only names in K3s's format, because the name becomes a path.
check_name() { [[ $SNAPSHOT =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$ ]] || die "$(printf %q "$SNAPSHOT" | cut -c 1-200) is not the name of a snapshot; no changes were made."; }

main() {
  check_name
  lock
  local actual target=$data/server/db/snapshots/$SNAPSHOT
  actual=$(sha256sum "$SENT" | cut -d' ' -f1)
  if [ "$actual" != "$CHECKSUM" ]; then
    rm -f "$SENT"
    die "The upload of $SNAPSHOT to $(hostname) is damaged: run the command again." "expected sha256 $CHECKSUM" "found    sha256 $actual"
  fi
  mkdir -p $data/server/db/snapshots && chmod 700 $data/server $data/server/db $data/server/db/snapshots
  mv -f "$SENT" "$target.part" # K3s ignores *.part; across file systems this copies
  sync "$target.part"
  mv -f "$target.part" "$target"
}
main </dev/null
