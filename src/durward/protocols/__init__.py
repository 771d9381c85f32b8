"""How calls are spoken: bytes of a wire to words of `calls/` and back, sans-io.

Owns the grammar of HTTP/1.1 heads and framing, addresses, JSON members, server-sent events, each model wire (what a request asks,
where an answer's usage stands, which event is terminal) and every rendering of an error. It opens no socket and reads no clock.
"""
