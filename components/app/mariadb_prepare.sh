# Creates the files of a MariaDB database, or upgrades them for a newer version of MariaDB. The script can be interrupted
# at any time, and completes its work when it runs again. $1 is the folder of the volume, $2 a folder for sockets.
volume=$1 run=$2
data=$volume/data upgraded=$volume/upgraded
export TMPDIR="$run"
version=$(mariadbd --no-defaults --version)
record_version() {
  printf '%s' "$version" >"$upgraded.new"
  mv "$upgraded.new" "$upgraded"
}

if [ ! -d "$data" ]; then
  rm -rf "$volume/new"
  mariadb-install-db --no-defaults --datadir="$volume/new" --skip-test-db \
    --auth-root-authentication-method=socket --auth-root-socket-user="$(id -un)"
  sync
  mv "$volume/new" "$data"
  record_version
fi
if [ "$(cat "$upgraded" 2>/dev/null)" = "$version" ]; then
  exit 0
fi
socket=$run/prepare.sock
mariadbd --no-defaults --datadir="$data" --socket="$socket" --pid-file="$run/prepare.pid" --tmpdir="$run" \
  --skip-networking &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" || true' EXIT
attempt=1
until mariadb-admin --no-defaults --socket="$socket" ping >/dev/null 2>&1; do
  if ! kill -0 "$server" 2>/dev/null || [ "$attempt" -ge 600 ]; then
    echo "MariaDB accepted no connection while homelab prepared its files." >&2
    exit 1
  fi
  attempt=$((attempt + 1))
  sleep 1
done
mariadb-upgrade --no-defaults --socket="$socket" --user="$(id -un)"
mariadb-admin --no-defaults --socket="$socket" --user="$(id -un)" shutdown
wait "$server"
trap - EXIT
record_version
