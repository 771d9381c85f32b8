"""The door through which everything that AI agents do passes.

Durward knows which agent acts, decides by policy, presents the credential that the agent never sees, and leaves one record a
call. `gateway` holds the sentence that every call goes through; the folders beside it hold its words, its stages, the ground they
stand on, and the doors. Imports run one way, doors to words.
"""

__version__ = "0.1.0"
