# shellcheck shell=bash
# Drift check: compare Nomad's program, configuration and service with what was last applied.

own=$state/nomad

main() {
  [ -e $own/running ] || { echo "homelab did not install Nomad on this disk, which may be new"; return; }
  sha256sum -c $own/running 2>/dev/null | sed -n 's/: FAILED.*/ was changed or removed/p' || true
  # homelab renews its own certificates in the first run of each year
  openssl x509 -noout -checkend $((30 * 86400)) -in /etc/nomad.d/cert.pem >/dev/null 2>&1 || echo "Nomad's certificate expires within 30 days, or was removed"
  systemctl -q is-active nomad || echo "nomad is $(systemctl is-active nomad)"
}
main </dev/null
