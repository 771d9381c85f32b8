"""TLS towards upstreams: who they are is always checked, and one way of speaking is offered."""

import ssl


def upstream_tls(ca_file: str | None) -> ssl.SSLContext:
    """Trusts the system's authorities, and those of `ca_file` (PEM) besides. TLS 1.2 or newer; only HTTP/1.1 is offered (ALPN).

    Raises OSError where `ca_file` cannot be read.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context
