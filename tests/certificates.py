"""Certificates for tests: an authority of their own, and certificates it signs or that sign themselves."""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificate:
    """The files of a certificate and its key."""

    certfile: Path
    keyfile: Path


class Authority:
    """A certificate authority; `certfile` is what those who trust it need."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder, self._name, self._count = folder, name, 0
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = _signed(self._key, name, None, None)
        self.certfile = folder / f"{name}.pem"
        self.certfile.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, *names: str) -> Certificate:
        """A certificate for these host names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _signed(key, names[0], names, (self._certificate.subject, self._key))
        self._count += 1
        return _written(self._folder / f"{self._name}-{self._count}", certificate, key)


def self_signed(folder: Path, *names: str) -> Certificate:
    """A certificate that nobody else has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    return _written(folder / f"self-signed-{names[0]}", _signed(key, names[0], names, None), key)


def _signed(
    key: ec.EllipticCurvePrivateKey,
    name: str,
    names: Sequence[str] | None,
    issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer, signing_key = issuer or (subject, key)
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
    )
    if names is None:
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
    else:
        builder = builder.add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
    return builder.sign(signing_key, hashes.SHA256())


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _written(stem: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Certificate:
    found = Certificate(stem.with_suffix(".pem"), stem.with_suffix(".key"))
    found.certfile.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    found.keyfile.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return found
