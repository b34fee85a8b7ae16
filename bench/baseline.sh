#!/usr/bin/env bash
# The baseline: builds the same cluster from bare machines, all machines at once, and does nothing else.
# KEY KNOWN_HOSTS LOGIN MIRROR VIP TOKEN in the environment; a line NAME ROLE ADDRESS per machine on standard input.
set -euo pipefail

own=$(dirname "$0")/baseline-machine.sh
mapfile -t nodes
first=$(awk 'NR == 1 {print $3}' <<<"${nodes[0]}")
servers=$(printf '%s\n' "${nodes[@]}" | awk '$2 == "server" {print $3}')

variables() { # variables NAME ROLE ADDRESS
  printf '%s=%q\n' NAME "$1" ROLE "$2" ADDRESS "$3" FIRST "$first" SERVERS "${servers//$'\n'/ }" COUNT "${#nodes[@]}" \
    MIRROR "$MIRROR" VIP "$VIP" TOKEN "$TOKEN"
}

on() { # on ADDRESS: run standard input as root there
  ssh -F none -i "$KEY" -o "UserKnownHostsFile=$KNOWN_HOSTS" -o IdentitiesOnly=yes -o BatchMode=yes -o LogLevel=ERROR \
    "$LOGIN@$1" sudo bash -s
}

jobs=()
for node in "${nodes[@]}"; do
  read -r name role address <<<"$node"
  { variables "$name" "$role" "$address"; cat "$own"; } | on "$address" &
  jobs+=($!)
done
for job in "${jobs[@]}"; do wait "$job"; done
