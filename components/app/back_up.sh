# Backs up the folder /backup to restic's repository. An interrupted backup leaves no incomplete snapshot.
code=0
restic cat config >/dev/null || code=$?
if [ "$code" -eq 10 ]; then # the repository does not exist
  restic init
elif [ "$code" -ne 0 ]; then
  exit "$code"
fi
restic unlock # removes only the locks of programs that ended more than half an hour ago
restic backup --retry-lock 5m --host "$APP" --exclude lost+found /backup
# without the group by tags, the backup before a restore would replace the nightly backup of its day
restic forget --retry-lock 5m --host "$APP" --group-by host,tags --prune \
  --keep-daily "$KEEP_DAILY" --keep-weekly "$KEEP_WEEKLY" --keep-monthly "$KEEP_MONTHLY"
