# shellcheck shell=bash
# Restarts K3s on an agent: only then does it register with a cluster that may not know it any more.
# NODE

runs() { systemctl -q is-active k3s-agent && curl -fsS --max-time 3 http://127.0.0.1:10248/healthz; }

main() {
  lock
  say "restarting k3s-agent"
  systemctl restart --no-block k3s-agent
  wait_for 300 runs || die "k3s-agent does not run on $NODE within 300 s. Its journal ends:" "$(journal k3s-agent)"
}
main </dev/null
