# Restores the folder /backup from the snapshot $1, after a backup of the current data. The script can be interrupted at
# any time: when it runs again, it completes the restore.
snapshot=$1
restic unlock
restic cat snapshot "$snapshot" >/dev/null # fails if the snapshot does not exist
restic backup --retry-lock 5m --host "$APP" --tag before-restore --exclude lost+found /backup
echo "Restoring $snapshot. The backup before this restore has the tag before-restore."
restic restore --retry-lock 5m "$snapshot:/backup" --target /backup --exclude lost+found --delete
