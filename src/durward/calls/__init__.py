"""What travels through the gate: call, principal, resource, decision, usage, record, errors, and the ports.

Everything here is plain data or a Protocol class. It imports nothing else of Durward, does no I/O and reads no clock.
A word that two stages need lives here; how a wire spells it belongs to `protocols/`.
"""
