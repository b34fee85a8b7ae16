# shellcheck shell=bash
# Stop Nomad and its jobs, and uninstall it. Its data stay, because jobs may have stored data there.

slice=/sys/fs/cgroup/nomad.slice

main() {
  lock
  [ -e $state/nomad ] || return 0
  say "uninstalling Nomad and stopping its jobs on this machine; /var/lib/nomad stays"
  systemctl -q disable --now nomad 2>/dev/null || true
  if [ -e $slice/cgroup.kill ]; then echo 1 >$slice/cgroup.kill; fi
  rm -f /usr/local/bin/nomad /etc/systemd/system/nomad.service
  rm -rf /etc/nomad.d
  systemctl daemon-reload
  rm -rf $state/nomad # last, because it marks Nomad as installed by homelab
}
main </dev/null
