# shellcheck shell=bash
# Looks whether Nomad runs here, with the program and the configuration that it was last started with.

own=$state/nomad

main() {
  [ -e $own/running ] || { echo "Nomad was not set up here: its disk is new"; return; }
  sha256sum -c $own/running 2>/dev/null | sed -n 's/: FAILED.*/ was changed or is gone/p' || true
  # one that the lab made is renewed by the first run of each year
  openssl x509 -noout -checkend $((30 * 86400)) -in /etc/nomad.d/cert.pem >/dev/null 2>&1 || echo "Nomad's certificate ends within 30 days, or is gone"
  systemctl -q is-active nomad || echo "nomad is $(systemctl is-active nomad)"
}
main </dev/null
