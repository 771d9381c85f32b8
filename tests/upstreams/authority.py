"""A certificate authority for tests: made anew in every run, trusted by nobody else."""

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

NOW = dt.datetime.now(dt.UTC)
Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Authority:
    """Signs server certificates; `ca_file` is what a client trusts it by."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        certificate = self._certificate(self._name, self._key).add_extension(x509.BasicConstraints(True, None), True)
        self.ca_file = str(folder / "ca.pem")
        Path(self.ca_file).write_bytes(
            certificate.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )

    def server(self, *hosts: str) -> ssl.SSLContext:
        """What a server that is known by `hosts` listens with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.pair(*hosts))
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context

    def client(self, own: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        """What a client that trusts this authority connects with; `own` are its certificate and key, if it shows any."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if own is not None:
            context.load_cert_chain(*own)
        return context

    def pair(self, *hosts: str, name: str = "", days: int = 1, private: Private | None = None) -> tuple[Path, Path]:
        """The files of a certificate for `hosts` that holds for so many days from now on, and of its key."""
        key = private or ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [
            x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host) for host in hosts
        ]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test server")])
        certificate = self._certificate(subject, key, days).add_extension(x509.SubjectAlternativeName(names), False)
        paths = self._folder / f"{name or hosts[0]}.pem", self._folder / f"{name or hosts[0]}.key"
        paths[0].write_bytes(certificate.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        paths[1].touch(0o600)
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return paths

    def _certificate(self, subject: x509.Name, key: Private, days: int = 1) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - dt.timedelta(days=1))
            .not_valid_after(NOW + dt.timedelta(days=days))
        )
