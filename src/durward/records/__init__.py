"""What happened: the journal and its chain, signed heads, recovery, backups, the index, and the questions asked of it.

Owns how a line is written, linked, found broken and mended, and how lines become one record a call. What a call used and cost it
is told (`metering/`), when a line is due the gateway decides; how listings look belongs to `cli/`. No prompt or answer text ever
reaches it.
"""
