"""Checks cert-manager's certificates, and explains from the ACME challenges why a certificate is not ready."""

from collections.abc import Iterable, Iterator, Sequence

from operations.api import Object
from operations.checks.cluster import conditions, is_ready
from operations.findings import Finding, fine, wrong

_FIXES: Sequence[tuple[str, str]] = (
    (
        "bad authentication",
        "compare tsigKeyName, tsigAlgorithm and tsigSecret under certManager.acme.rfc2136 with the DNS server's key; "
        "the DNS server must be authoritative for the zone",
    ),
    ("decoding the provided TSIG secret", "store the base64-encoded TSIG key in the Pulumi secret of tsigSecret"),
    ("REFUSED", "allow the TSIG key to update TXT records of the zone, in the configuration of the DNS server"),
    ("DNS update failed: ", "check that the cluster reaches the DNS server in certManager.acme.rfc2136.nameserver"),
    ("not yet propagated", "wait for a minute; if the message remains, set certManager.acme.nameservers"),
)
"""Words in the reason of a challenge, and the fix."""


def check_certificates(certificates: Iterable[Object], challenges: Sequence[Object]) -> Iterator[Finding]:
    """Yield a finding for each certificate that is not ready, or a single finding if all certificates are ready."""
    count, ready = 0, True
    for certificate in certificates:
        count += 1
        if not is_ready(certificate):
            ready = False
            yield _not_ready(certificate, challenges)
    if ready:
        yield fine("certificates", f"{count} ready")


def _not_ready(certificate: Object, challenges: Sequence[Object]) -> Finding:
    namespace, name = (str(certificate["metadata"][key]) for key in ("namespace", "name"))
    check = f"Certificate {namespace}/{name}"
    for challenge in challenges:
        status = challenge.get("status") or {}
        reason = str(status.get("reason") or "")
        if reason and status.get("state") != "valid" and _is_for(challenge, certificate):
            spec = challenge["spec"]
            other = f"run `kubectl -n {namespace} describe challenge {challenge['metadata']['name']}`"
            fix = next((fix for words, fix in _FIXES if words in reason), other)
            return wrong(check, f"is not ready: the {spec['type']} challenge for {spec['dnsName']}: {reason}", fix)
    found = conditions(certificate)
    issuing = found.get("Issuing", {})
    condition = issuing if issuing.get("reason") == "Failed" else found.get("Ready", {})
    problem = f"is not ready: {condition.get('message') or 'cert-manager has not processed the certificate yet'}"
    return wrong(check, problem, f"run `kubectl -n {namespace} describe certificate,certificaterequest,order`")


def _is_for(challenge: Object, certificate: Object) -> bool:
    names = {name.removeprefix("*.") for name in certificate["spec"].get("dnsNames") or ()}
    same_namespace = challenge["metadata"]["namespace"] == certificate["metadata"]["namespace"]
    return same_namespace and challenge["spec"]["dnsName"] in names
