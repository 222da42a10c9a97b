"""Certificates of an authority of the tests' own: good ones, and expired ones."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest


def write_certificates(folder: Path) -> Path:
    """`ca.pem`; `good.pem` and `expired.pem` for 127.0.0.1, each with its key; the folder."""
    pytest.importorskip("cryptography", reason="certificates are made with cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    now = datetime.now(UTC)
    authority = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Tests")])
    root = rsa.generate_private_key(65537, 2048)
    identifier = x509.SubjectKeyIdentifier.from_public_key(root.public_key())
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)

    def signed(name: x509.Name, public: rsa.RSAPublicKey, ends: datetime, *, ca: bool) -> x509.Certificate:
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(authority)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=30))
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if ca:
            made = made.add_extension(usage, critical=True).add_extension(identifier, critical=False)
        else:
            own = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
            addresses = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
            made = made.add_extension(addresses, critical=False).add_extension(own, critical=False)
        return made.sign(root, hashes.SHA256())

    pem = serialization.Encoding.PEM
    last = now + timedelta(days=30)
    (folder / "ca.pem").write_bytes(signed(authority, root.public_key(), last, ca=True).public_bytes(pem))
    for word, ends in (("good", last), ("expired", now - timedelta(days=1))):
        key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, word)])
        made = signed(name, key.public_key(), ends, ca=False).public_bytes(pem)
        plain = serialization.NoEncryption()
        secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
        (folder / f"{word}.pem").write_bytes(made + secret)
    return folder
