"""Who asks: the agent behind a call, by the key it carries.

Owns the carriers of agent keys and the table of their digests. What an agent may do belongs to `policy/`; where agents and keys are
kept between runs, to `storage/`.
"""
