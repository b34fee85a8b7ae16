"""cert-manager: issuers become ready, and certificates are really signed; where ACME would, by themselves."""

import base64
import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rehearsal.operators.api import Json, Objects, condition, owner, ready, within

NAMESPACE = "cert-manager"
GROUP = "apis/cert-manager.io/v1"
KINDS = {"clusterissuers": "ClusterIssuer", "issuers": "Issuer"}
ISSUER = "cert-manager.io/cluster-issuer"
LIFE = datetime.timedelta(days=90)
SKEW = datetime.timedelta(hours=1)

Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def reconcile(api: Objects) -> None:
    """Look after issuers, the certificates that Ingresses ask for, and all certificates."""
    if not ready(api, NAMESPACE, "cert-manager"):
        return
    issuers = [(plural, each) for plural in KINDS for each in api.items(f"/{GROUP}/{plural}")]
    for plural, each in issuers:
        _issuer(api, plural, each)
    for ingress in api.items("/apis/networking.k8s.io/v1/ingresses"):
        _asked(api, ingress)
    known = {_key(KINDS[plural], each["metadata"]): each for plural, each in issuers if _is_ready(each)}
    for certificate in api.items(f"/{GROUP}/certificates"):
        reference = certificate["spec"]["issuerRef"]
        place = {"name": reference["name"], "namespace": certificate["metadata"]["namespace"]}
        issuer = known.get(_key(reference.get("kind", "Issuer"), place))
        if issuer and not _is_ready(certificate):
            _certificate(api, certificate, issuer)


def _key(kind: str, place: Json) -> tuple[str, ...]:
    """What tells issuers apart: those of the cluster have no namespace."""
    return (kind, place["namespace"], place["name"]) if kind == "Issuer" else (kind, place["name"])


def _issuer(api: Objects, plural: str, issuer: Json) -> None:
    if _is_ready(issuer):
        return
    authority = issuer["spec"].get("ca")
    found = authority is None or _read(api, _secrets(issuer), authority["secretName"]) is not None
    wanted = condition("Ready", "KeyPairVerified" if found else "ErrGetKeyPair", true=found)
    if (issuer.get("status") or {}).get("conditions") != [wanted]:
        api.patch(f"{within(GROUP, plural, issuer)}/status", {"status": {"conditions": [wanted]}})


def _secrets(issuer: Json) -> str:
    """The namespace of an issuer's secrets."""
    return str(issuer["metadata"].get("namespace", NAMESPACE))


def _asked(api: Objects, ingress: Json) -> None:
    """The certificates that an Ingress asks for by its annotation."""
    issuer = (ingress["metadata"].get("annotations") or {}).get(ISSUER)
    namespace = ingress["metadata"]["namespace"]
    for tls in ingress["spec"].get("tls") or () if issuer else ():
        metadata = {"name": tls["secretName"], "namespace": namespace, "ownerReferences": owner(ingress)}
        reference = {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": issuer}
        spec = {"secretName": tls["secretName"], "dnsNames": tls["hosts"], "issuerRef": reference}
        path = f"/{GROUP}/namespaces/{namespace}/certificates"
        if api.read(f"{path}/{tls['secretName']}") is None:
            body = {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": metadata, "spec": spec}
            api.create(path, body)


def _certificate(api: Objects, certificate: Json, issuer: Json) -> None:
    metadata, spec = certificate["metadata"], certificate["spec"]
    names = spec.get("dnsNames") or []
    if _read(api, metadata["namespace"], spec["secretName"]) is None:
        authority = issuer["spec"].get("ca")
        signer = _read(api, _secrets(issuer), authority["secretName"]) if authority else None
        made = sign(spec.get("commonName") or names[0], names, signer, authority=bool(spec.get("isCA")))
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": spec["secretName"], "namespace": metadata["namespace"]},
            "type": "kubernetes.io/tls",
            "data": {key: base64.b64encode(value).decode() for key, value in made.items()},
        }
        api.create(f"/api/v1/namespaces/{metadata['namespace']}/secrets", body)
    status = {"status": {"conditions": [condition("Ready", "Ready")], "revision": 1}}
    api.patch(f"{within(GROUP, 'certificates', certificate)}/status", status)


def _is_ready(thing: Json) -> bool:
    conditions = (thing.get("status") or {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _read(api: Objects, namespace: str, name: str) -> Pair | None:
    secret = api.read(f"/api/v1/namespaces/{namespace}/secrets/{name}")
    if secret is None:
        return None
    data = {key: base64.b64decode(value) for key, value in secret["data"].items()}
    key: Any = serialization.load_pem_private_key(data["tls.key"], None)
    return x509.load_pem_x509_certificate(data["tls.crt"]), key


def sign(common: str, names: list[str], signer: Pair | None, *, authority: bool) -> dict[str, bytes]:
    """Make a key and its certificate, by itself where there is no `signer`; as a TLS secret holds them."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])
    issuer, by = (signer[0].subject, signer[1]) if signer else (subject, key)
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LIFE)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), False)
    certificate = builder.sign(by, hashes.SHA256())
    pem = serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    root = signer[0] if signer else certificate
    return {"tls.crt": certificate.public_bytes(pem), "tls.key": plain, "ca.crt": root.public_bytes(pem)}
