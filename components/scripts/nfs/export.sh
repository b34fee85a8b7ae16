# shellcheck shell=bash
# Export a folder over NFS; the files in it are not changed.
# FOLDER CLIENTS

exports=/etc/exports.d/homelab.exports

# elsewhere: print the files, other than homelab's, that export the folder.
elsewhere() { grep -lsE "^[[:space:]]*\"?$FOLDER/?\"?([[:space:]]|\$)" /etc/exports /etc/exports.d/*.exports | grep -vxF "$exports" || true; }

main() {
  lock
  local files output line=$FOLDER client
  files=$(elsewhere)
  [ -z "$files" ] || die "$FOLDER is exported already, by $files." "Remove it there, or set another folder in \`nfs.server.path\`; then run \`pulumi up\` again."
  install_packages nfs-kernel-server
  mkdir -p "$FOLDER"
  for client in $CLIENTS; do line+=" $client(rw,sync,no_subtree_check,no_root_squash)"; done
  write_atomically $exports 644 <<<"$line"
  write_atomically $state/exports 600 <<<"$line"
  systemctl enable -q --now nfs-server || die "The NFS server does not start:" "$(journal nfs-server)"
  say "exporting $FOLDER"
  output=$(exportfs -ra 2>&1) || die "$FOLDER could not be exported:" "$output"
}
main </dev/null
