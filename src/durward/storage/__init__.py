"""Where durable state lives: `state.db`, which holds agents, the digests of their keys, and who owns which provider object;
`answers.db`, which holds the sealed answers of calls that are to take effect once.

Owns the schema, its numbered migrations and the one thread that the gate writes through. What a key may do, and the copy of the keys
that calls are checked against, belong to the stages; the journal and its index belong to `records/`.
"""
