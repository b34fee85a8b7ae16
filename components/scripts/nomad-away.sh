# shellcheck shell=bash
# Takes Nomad off the machine, and ends what it runs. Its data stay: jobs may have kept theirs there.

slice=/sys/fs/cgroup/nomad.slice

main() {
  lock
  [ -e $state/nomad ] || return 0
  say "taking Nomad away, and ending its jobs here; /var/lib/nomad stays"
  systemctl -q disable --now nomad 2>/dev/null || true
  if [ -e $slice/cgroup.kill ]; then echo 1 >$slice/cgroup.kill; fi
  rm -f /usr/local/bin/nomad /etc/systemd/system/nomad.service
  rm -rf /etc/nomad.d
  systemctl daemon-reload
  rm -rf $state/nomad # from here on there is nothing of ours
}
main </dev/null
