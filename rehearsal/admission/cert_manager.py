"""cert-manager: issuers of exactly one type, and certificates that say for what, where to and by whom."""

from collections.abc import Iterator
from typing import Any

from rehearsal.admission.forms import seconds
from rehearsal.operators.api import Objects

Json = dict[str, Any]
TYPES = ("acme", "ca", "selfSigned", "vault", "venafi")
SUBJECTS = ("commonName", "dnsNames", "ipAddresses", "uris", "emailAddresses", "otherNames", "literalSubject")
SIZES = {"RSA": range(2048, 8193), "ECDSA": (256, 384, 521), "Ed25519": ()}
LONGEST_NAME = 64
SHORTEST = 3600  # seconds a certificate lives at least


def issuer(thing: Json, _: Json | None, api: Objects) -> Iterator[str]:
    """An Issuer or ClusterIssuer."""
    spec = thing.get("spec") or {}
    types = [each for each in TYPES if spec.get(each) is not None]
    if len(types) != 1:
        yield f"spec: exactly one issuer type must be given, found {', '.join(types) or 'none'}"
    if "ca" in types and not spec["ca"].get("secretName"):
        yield "spec.ca.secretName: Required value"
    if "acme" in types:
        yield from _acme(spec["acme"])


def _acme(acme: Json) -> Iterator[str]:
    if not acme.get("server"):
        yield "spec.acme.server: Required value: acme server URL is a required field"
    if not (acme.get("privateKeySecretRef") or {}).get("name"):
        yield "spec.acme.privateKeySecretRef.name: Required value: private key secret name is a required field"
    if not acme.get("solvers"):
        yield "spec.acme.solvers: Required value: at least one solver must be given"
    for number, solver in enumerate(acme.get("solvers") or ()):
        path, ways = f"spec.acme.solvers[{number}]", [each for each in ("dns01", "http01") if each in solver]
        if len(ways) != 1:
            yield f"{path}: exactly one of dns01 and http01 must be configured"
            continue
        providers = {key for key in solver[ways[0]] or {} if key != "cnameStrategy"}
        if len(providers) != 1:
            yield f"{path}.{ways[0]}: exactly one provider must be configured, found {len(providers)}"
        if "route53" in providers and not solver["dns01"]["route53"].get("region"):
            # the region may come from the surroundings of the pod, which a lab does not have
            yield f"{path}.dns01.route53.region: Required value"


def certificate(thing: Json, _: Json | None, api: Objects) -> Iterator[str]:
    """A Certificate."""
    spec = thing["spec"]
    if not spec.get("secretName"):
        yield "spec.secretName: Required value: must be specified"
    reference = spec.get("issuerRef") or {}
    if not reference.get("name"):
        yield "spec.issuerRef.name: Required value: must be specified"
    ours = reference.get("group", "cert-manager.io") == "cert-manager.io"
    if ours and reference.get("kind", "Issuer") not in ("Issuer", "ClusterIssuer"):
        yield f"spec.issuerRef.kind: Invalid value: {reference['kind']!r}: must be one of Issuer or ClusterIssuer"
    if not any(spec.get(each) for each in SUBJECTS):
        yield f"spec: Invalid value: at least one of {', '.join(SUBJECTS)} must be specified"
    if len(spec.get("commonName", "")) > LONGEST_NAME:
        yield f"spec.commonName: Too long: may not be more than {LONGEST_NAME} bytes"
    yield from _life(spec)
    yield from _key(spec.get("privateKey") or {})


def _life(spec: Json) -> Iterator[str]:
    times = {each: seconds(spec[each]) for each in ("duration", "renewBefore") if spec.get(each)}
    for field, found in times.items():
        if found is None:
            yield f"spec.{field}: Invalid value: {spec[field]!r}: is no duration"
            return
    duration = times.get("duration") or 2160 * 3600
    if duration < SHORTEST:
        yield f"spec.duration: Invalid value: {spec['duration']}: certificate duration must be greater than 1h"
    if (times.get("renewBefore") or 0) >= duration:
        yield f"spec.renewBefore: Invalid value: {spec['renewBefore']}: must be less than the duration"


def _key(key: Json) -> Iterator[str]:
    algorithm = key.get("algorithm", "RSA")
    if algorithm not in SIZES:
        yield f"spec.privateKey.algorithm: Unsupported value: {algorithm!r}"
    elif key.get("size") and SIZES[algorithm] and key["size"] not in SIZES[algorithm]:
        yield f"spec.privateKey.size: Unsupported value: {key['size']} for {algorithm}"


RULES = {"Issuer": issuer, "ClusterIssuer": issuer, "Certificate": certificate}
