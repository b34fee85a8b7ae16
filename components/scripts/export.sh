# shellcheck shell=bash
# On a machine: lets others mount a folder from here. What is in it stays as it is.
# FOLDER CLIENTS

exports=/etc/exports.d/homelab.exports

# elsewhere: the files in which somebody else exports the folder.
elsewhere() { grep -lsE "^[[:space:]]*\"?$FOLDER/?\"?([[:space:]]|\$)" /etc/exports /etc/exports.d/*.exports | grep -vxF "$exports" || true; }

main() {
  lock
  local found said line=$FOLDER client
  found=$(elsewhere)
  [ -z "$found" ] || die "$FOLDER is exported already, by $found." "Take it out there, or name another folder in \`nfs.server.path\`."
  install_packages nfs-kernel-server
  mkdir -p "$FOLDER"
  for client in $CLIENTS; do line+=" $client(rw,sync,no_subtree_check,no_root_squash)"; done
  write $exports 644 <<<"$line"
  write $state/exports 600 <<<"$line"
  systemctl enable -q --now nfs-server || die "The NFS server does not start:" "$(journal nfs-server)"
  say "exporting $FOLDER"
  said=$(exportfs -ra 2>&1) || die "$FOLDER could not be exported:" "$said"
}
main </dev/null
