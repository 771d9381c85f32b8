"""Certificates and keys that the file names: read when it is checked, so that what cannot be used is a mistake at its place."""

import datetime as dt
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from durward.config.mistakes import Mistake
from durward.config.nodes import Node
from durward.config.settings import Tls

FILE_LIMIT = 4 * 2**20
CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
KEY = b"PRIVATE KEY-----"
ENCRYPTED = (b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED")
PEM_RULE = "It takes PEM: -----BEGIN CERTIFICATE----- …"
RENEW_DAYS = 14
"""A certificate that ends sooner should have been renewed by now."""


def certificate_mistakes(root: Node, folder: Path) -> list[Mistake]:
    """Every file of certificates or keys that cannot be used. What the schema refuses is not looked at here."""
    tls = root.get("listen", "tls")
    authorities = (root.get("ca_file"), tls.get("client_ca") if tls is not None else None)
    mistakes = [mistake for node in authorities for mistake in _of_authorities(node, folder)]
    return mistakes if tls is None else [*mistakes, *_of_pair(tls, folder)]


def _of_authorities(node: Node | None, folder: Path) -> list[Mistake]:
    content = _content(node, folder)
    if node is None or content is None:
        return []
    if isinstance(content, Mistake):
        return [content]
    if CERTIFICATE not in content:
        return [Mistake(node.span, "there is no certificate in this file", PEM_RULE)]
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content.decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError) as error:
        return [Mistake(node.span, f"the certificates of this file cannot be read: {_why(error)}", PEM_RULE)]
    return []


def _of_pair(tls: Node, folder: Path) -> list[Mistake]:
    cert, key = tls.get("cert"), tls.get("key")
    read = _content(cert, folder), _content(key, folder)
    mistakes = [each for each in read if isinstance(each, Mistake)]
    certificates, private = read
    if mistakes or cert is None or key is None or not isinstance(certificates, bytes) or not isinstance(private, bytes):
        return mistakes
    if CERTIFICATE not in certificates:
        mistakes.append(Mistake(cert.span, "there is no certificate in this file", PEM_RULE))
    if any(sign in private for sign in ENCRYPTED):
        hint = "Take it off: openssl pkey -in <key> -out <new key>. The file's own mode (0600) keeps it."
        mistakes.append(Mistake(key.span, "this private key has a passphrase", hint))
    elif KEY not in private:
        hint = "It takes PEM: -----BEGIN PRIVATE KEY----- …"
        mistakes.append(Mistake(key.span, "there is no private key in this file", hint))
    return mistakes or _of_contents(cert, key, certificates, private, folder)


def _of_contents(cert: Node, key: Node, certificates: bytes, private: bytes, folder: Path) -> list[Mistake]:
    try:
        own = x509.load_pem_x509_certificates(certificates)[0].public_key()
    except (ValueError, UnsupportedAlgorithm):
        return [Mistake(cert.span, "the certificates of this file cannot be read", PEM_RULE)]
    try:
        other = load_pem_private_key(private, None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return [Mistake(key.span, "the private key of this file cannot be read")]
    if own != other:
        hint = "The certificate's own must come first in `cert`, before those of its authorities."
        return [Mistake(key.span, "this private key does not belong to the certificate", hint)]
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*_paths(cert, key, folder))
    except (OSError, ValueError) as error:  # Among them what this machine's OpenSSL takes for too weak.
        return [Mistake(cert.span, f"TLS cannot be spoken with this certificate: {_why(error)}")]
    return []


def _paths(cert: Node, key: Node, folder: Path) -> tuple[Path, Path]:
    return folder / (cert.string() or ""), folder / (key.string() or "").removeprefix("file:")


def _content(node: Node | None, folder: Path) -> bytes | Mistake | None:
    """A file's content, what is wrong with it, or None where the file names none."""
    text = node.string() if node is not None else None
    if node is None or not text or text.startswith("env:") or "-----BEGIN" in text:
        return None
    try:
        with (folder / text.removeprefix("file:")).open("rb") as file:
            return file.read(FILE_LIMIT)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no such path"
        return Mistake(
            node.span, f"this file cannot be read: {why}", "A relative path starts at the folder of this file."
        )


def _why(error: Exception) -> str:
    return (isinstance(error, ssl.SSLError) and error.reason) or str(error)


def certificate_doubts(root: Node, tls: Tls | None, now: dt.datetime) -> Iterator[Mistake]:
    """What is doubtful in the pair of the listener: its time, and who may read its key."""
    cert, key = root.get("listen", "tls", "cert"), root.get("listen", "tls", "key")
    if tls is None or cert is None or key is None:
        return
    said = said_of_time(Path(tls.cert), now)
    if said:
        yield Mistake(cert.span, f"the certificate {said}", "Renew it; a changed file is taken over at once.")
    if Path(tls.key).stat().st_mode & stat.S_IROTH:
        yield Mistake(key.span, "everybody on this machine may read this private key", "chmod o-r it.")


def said_of_time(path: Path, now: dt.datetime) -> str:
    """What is wrong with a certificate's time; empty where it holds, and goes on to hold for a while."""
    certificate = x509.load_pem_x509_certificates(path.read_bytes())[0]
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begin:
        return f"does not hold before {begin:%Y-%m-%d %H:%M} UTC"
    if now > end:
        return f"has expired on {end:%Y-%m-%d %H:%M} UTC"
    if end - now < dt.timedelta(days=RENEW_DAYS):
        return f"expires on {end:%Y-%m-%d %H:%M} UTC"
    return ""
