"""TLS on the listener: what it is spoken with."""

import ssl

from durward.calls.errors import GateError
from durward.config.settings import Tls

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: forward secrecy and authenticated encryption, nothing else. Those of TLS 1.3 are all of that kind."""


def listener_tls(tls: Tls) -> ssl.SSLContext:
    """TLS 1.2 or 1.3, HTTP/1.1 alone (ALPN). With `client_ca` callers have to show a certificate of it.

    Raises GateError `credential_missing` where the files are not, or not any more, what `check` found them to be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    try:
        # Without a password OpenSSL would ask for one at the terminal.
        context.load_cert_chain(tls.cert, tls.key, password="")
        if tls.client_ca:
            context.load_verify_locations(tls.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ValueError) as error:
        why = (isinstance(error, ssl.SSLError) and error.reason) or getattr(error, "strerror", None) or str(error)
        raise GateError(
            f"TLS cannot be spoken with {tls.cert} and its key: {why}.",
            reason="credential_missing",
            remedy="`durward check` says what is wrong with them.",
        ) from error
    return context
