# Restores the folder $2, which contains the app's volumes, from the snapshot $1, after a backup of the current data. The
# script can be interrupted at any time: when it runs again, it completes the restore.
snapshot=$1 root=$2
restic unlock
restic cat snapshot "$snapshot" >/dev/null # fails if the snapshot does not exist
restic backup --retry-lock 5m --host "$APP" --tag before-restore --exclude lost+found "$root"
echo "The backup of the data before this restore has the tag before-restore."
for folder in "$root"/volumes/* "$root"/mariadb; do
  if [ ! -d "$folder" ]; then
    continue
  elif restic cat tree "$snapshot:$folder" >/dev/null; then
    restic restore --retry-lock 5m "$snapshot:$folder" --target "$folder" --exclude lost+found --delete
  else # with --delete, a restore of a folder that the snapshot does not contain would empty the folder
    echo "The backup $snapshot does not contain $folder, which stays unchanged."
  fi
done
