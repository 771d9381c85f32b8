"""Who answers: the HTTP/1.1 pool, and what stands between a call and one exchange with an upstream.

Owns names and addresses of origins, TLS towards them, connections and their reuse, deadlines and back-pressure of one attempt, and
the way an answer takes to the caller. Which target is tried, and whether another one is, belongs to `routing/` and the gateway; what
bytes mean belongs to `protocols/`.
"""
