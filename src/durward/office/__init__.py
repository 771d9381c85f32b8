"""The office: what is made of records beside the call path, in a process of its own, so that the gate never waits for it.

Owns the process that keeps the index up to date, and the admin listener with the metrics page (later: console, admin API, exports).
How lines become rows belongs to `records/`; the gate serves without the office, and the office catches up when it is back.
"""
