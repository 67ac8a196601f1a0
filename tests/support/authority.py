"""A certificate authority of the tests' own, with certificates for the two ends of a connection."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A certificate and its private key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """A CA that vouches for whoever a test wants.

    Args:
        directory: where its files go.
        name: what it is called, also in the names of files.
    """

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self._directory = directory
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = directory / f"{name}.pem"
        certificate = (
            self._builder(self._name, self._key.public_key(), timedelta(days=365))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def identity(
        self, name: str, *, host: str = "localhost", lifetime: timedelta = timedelta(days=100)
    ) -> Identity:
        """Make a certificate.

        Args:
            name: what its files are called.
            host: the name of the host that it is for; 127.0.0.1 is an address.
            lifetime: how long it is good from now; a negative one has ended.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        bears: x509.GeneralName = x509.DNSName(host)
        if host == "127.0.0.1":
            bears = x509.IPAddress(IPv4Address(host))
        certificate = (
            self._builder(
                x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key.public_key(), lifetime
            )
            .add_extension(x509.SubjectAlternativeName([bears]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        identity = Identity(certificate=self._directory / f"{name}.pem", key=self._directory / f"{name}.key")
        identity.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        identity.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return identity

    def _builder(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey, lifetime: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1000))
            .not_valid_after(now + lifetime)
        )
