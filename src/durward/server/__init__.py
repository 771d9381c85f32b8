"""Where traffic enters, and the processes that carry it.

Owns the HTTP/1.1 edge (connections, exchanges, request bodies, their bounds and deadlines), the gate's process, the supervisor that
starts and replaces it, and the real clock and randomness. It decides nothing about a call: an exchange goes to `gateway`, whole and
framed, and the answer comes back through it. Bytes are read by `protocols`; the upstream's side belongs to `upstreams`.
"""
