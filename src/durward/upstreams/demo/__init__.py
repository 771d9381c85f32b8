"""The demo provider: answers like a model in every wire, and like a small HTTP API, with no key and no network.

Owns what it says, how it paces its tokens, which tool it calls, how it fails when a prompt asks for it, and the records of its API.
It is an upstream as any other, reached over loopback HTTP; it knows nothing of gates, agents or policy, and keeps nothing.
"""
