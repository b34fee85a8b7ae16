# shellcheck shell=bash
# Restart K3s on an agent, so that it registers again with a restored cluster, which may not have its Node.
# NODE

runs() { systemctl -q is-active k3s-agent && curl -fsS --max-time 3 http://127.0.0.1:10248/healthz; }

main() {
  lock
  say "restarting k3s-agent"
  systemctl restart --no-block k3s-agent
  wait_for 300 runs || die "k3s-agent is not ready on $NODE after 300 s. Its journal ends:" "$(journal k3s-agent)"
}
main </dev/null
